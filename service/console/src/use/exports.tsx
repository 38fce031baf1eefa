// Files to take away.

import { useState } from "preact/hooks";
import { artifact, Problem } from "../api";
import type { Artifact } from "../schema";

/** What a file is for, by its name. */
const PURPOSES: [RegExp, string][] = [
  [/^mesh\.ply$/, "The mesh in the frame that poses refer to: for MeshLab, Open3D, CloudCompare."],
  [/^mesh\.glb$/, "The mesh as glTF, y up: for Blender, browsers, phones."],
  [/^board_from_obj\.json$/, "Where the object stands on its printed board."],
  [/^exports\//, "An export of the object."],
];

export function Exports({ id, artifacts }: { id: string; artifacts: Artifact[] }) {
  const files = artifacts.flatMap((one) => {
    const purpose = PURPOSES.find(([pattern]) => pattern.test(one.name));
    return purpose ? [{ ...one, purpose: purpose[1] }] : [];
  });
  if (!files.length) return null;
  return (
    <section class="card" aria-labelledby="exports">
      <h2 id="exports">Take it away</h2>
      <ul class="exports" data-testid="exports">
        {files.map((file) => <Export key={file.name} id={id} {...file} />)}
      </ul>
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

function size(bytes: number): string {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
