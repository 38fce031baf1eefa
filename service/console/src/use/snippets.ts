// The last question as lines for a shell and for Python.

import { apiKey, serviceUrl } from "../api";
import { optionsOf, type Question } from "./question";

const inShell = (text: string) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
/** curl reads `;` and `,` of a bare file name as its own. */
const inForm = (name: string) => (/^[\w.\-/]+$/.test(name) ? name : `"${name.replace(/["\\]/g, "\\$&")}"`);
const inPython = (text: string) => JSON.stringify(text);
const tuple = (values: readonly number[]) => `(${values.join(", ")})`;

export function curlLines(question: Question, objectId: string): string {
  const authorized = apiKey.get() ? ["-H \"Authorization: Bearer $SNAP6D_API_KEY\""] : [];
  const { artifact, name } = question.picture;
  const fetched = artifact ? [["curl", ...authorized, "-o", inShell(name), inShell(fileUrl(objectId, artifact))].join(" ")] : [];
  const parts = [
    "curl",
    ...authorized,
    `-F ${inShell(`image=@${inForm(name)}`)}`,
    ...(question.depth ? [`-F ${inShell(`depth=@${inForm(question.depth.name)}`)}`] : []),
    `-F ${inShell(`options=${JSON.stringify(optionsOf(question, objectId))}`)}`,
    inShell(`${serviceUrl()}/v1/estimate`),
  ];
  return [...fetched, parts.join(" \\\n  ")].join("\n");
}

export function pythonLines(question: Question, objectId: string): string {
  const { artifact, name } = question.picture;
  const keyed = apiKey.get() !== "";
  const given = [
    inPython(name),
    inPython(objectId),
    ...(question.K ? [`K=${tuple(question.K)}`] : []),
    ...(question.dist ? [`dist=${tuple(question.dist)}`] : []),
    ...(question.depth ? [`depth=${inPython(question.depth.name)}`, `depth_scale=${question.depthScale}`] : []),
    ...(question.box ? [`boxes=[${tuple(question.box)}]`] : []),
    ...(question.instances > 1 ? [`max_instances=${question.instances}`] : []),
  ];
  return [
    ...(keyed ? ["import os", ""] : []),
    "from snap6d import Snap6D",
    "",
    `service = Snap6D(${inPython(serviceUrl())}${keyed ? `, api_key=os.environ["SNAP6D_API_KEY"]` : ""})`,
    ...(artifact ? [`service.objects.download(${inPython(objectId)}, ${inPython(artifact)}, ${inPython(name)})`] : []),
    `found = service.estimate(\n    ${given.join(",\n    ")},\n)`,
    "for pose in found.poses:",
    "    print(pose.score, pose.cam_from_obj)  # 4 x 4, in found.units",
  ].join("\n");
}

const fileUrl = (id: string, name: string) => `${serviceUrl()}/v1/objects/${id}/artifacts/${name.split("/").map(encodeURIComponent).join("/")}`;
