// Files to take away.

import { useState } from "preact/hooks";
import { artifact, Problem } from "../api";
import type { Artifact } from "../schema";
import { useAsked } from "../parts/asking";

/** Who wants a file, by its name. What is in it, exports.json says of its own. */
const PURPOSES: [RegExp, string][] = [
  [/^mesh\.ply$/, "The mesh in the frame that poses refer to: for MeshLab, Open3D, CloudCompare."],
  [/^mesh\.glb$/, "The mesh as glTF, y up: for Blender, browsers, phones."],
  [/^board_from_obj\.json$/, "Where the object stood on its printed board."],
  [/^exports\/.*\.obj$/, "For Blender, game engines and most of the rest; keep its .mtl and .png beside it."],
  [/^exports\/.*\.urdf$/, "For robots and their simulators; keep the OBJ and the hull beside it."],
  [/^exports\/.*\.zip$/, "For training and judging other pose estimators."],
  [/^exports\/.*\.yaml$/, "For a look at what a ROS 2 node says."],
  [/^exports\/(?!exports\.json$)/, ""],
];

interface Described {
  files: Record<string, string>;
  left_out: Record<string, { what: string; try_next: string }>;
}

const UNDESCRIBED: Described = { files: {}, left_out: {} };

export function Exports({ id, artifacts }: { id: string; artifacts: Artifact[] }) {
  const described = artifacts.some((one) => one.name === "exports/exports.json");
  const { value: { files: about, left_out } = UNDESCRIBED } = useAsked(
    async (): Promise<Described> => (described ? (await artifact(id, "exports/exports.json")).json() : UNDESCRIBED),
    [id, described],
  );
  const files = artifacts.flatMap((one) => {
    const purpose = PURPOSES.find(([pattern]) => pattern.test(one.name));
    return purpose ? [{ ...one, purpose: [sentence(about[one.name.replace(/^exports\//, "")] ?? ""), purpose[1]].filter(Boolean).join(" ") }] : [];
  });
  if (!files.length) return null;
  return (
    <section class="card" aria-labelledby="exports">
      <h2 id="exports">Take it away</h2>
      <ul class="exports" data-testid="exports">
        {files.map((file) => <Export key={file.name} id={id} {...file} />)}
      </ul>
      {Object.entries(left_out).map(([name, why]) => <p key={name} class="faint">Not made: {name}. {sentence(why.what)} {sentence(why.try_next)}</p>)}
    </section>
  );
}

function Export({ id, name, bytes, purpose }: Artifact & { id: string; purpose: string }) {
  const [state, setState] = useState("");
  const file = name.replace(/^exports\//, "");
  const download = async () => {
    setState("Fetching …");
    try {
      save(await (await artifact(id, name)).blob(), file.replaceAll("/", "_"));
      setState("");
    } catch (error) {
      setState(error instanceof Problem ? error.message : "It did not arrive whole: try again.");
    }
  };
  return (
    <li>
      <div>
        <strong>{file}</strong> <small>{size(bytes)}</small>
        <p class="faint">{purpose}</p>
      </div>
      <span role="status" class="faint">{state}</span>
      <button type="button" class="quiet" aria-label={`Download ${file}`} onClick={download}>Download</button>
    </li>
  );
}

/** With a key, a plain link would be refused. */
function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function sentence(text: string): string {
  return text && `${text[0]!.toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

function size(bytes: number): string {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
