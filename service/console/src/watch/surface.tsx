// The mesh, while it grows and when it is done.

import { useEffect, useRef, useState } from "preact/hooks";
import { Mesh, MeshStandardMaterial } from "three";
import { artifact, artifactPath } from "../api";
import { Picture } from "../parts/picture";
import { EmptyState, Loading } from "../parts/states";
import { SpaceCanvas } from "../space/canvas";
import { showAll, useContent } from "../space/content";
import { GLB_FROM_OBJECT, readModel } from "../space/model";
import type { Stage } from "../space/stage";
import type { Job } from "../schema";
import { count, stepInWords } from "./curve";
import { isOver } from "./following";
import type { PartProps } from "./part";
import { whenAfter } from "./words";

export function SurfacePart({ object, job, files }: PartProps) {
  const name = shownMesh(job, files);
  const mesh = useMesh(object.id, name, name ? files.get(name) : undefined);
  if (!name)
    return (
      <EmptyState
        title="No surface yet"
        advice={`The mesh appears a minute after the stage surface begins, and grows; it is done after it${whenAfter(job, "surface")}.`}
      />
    );
  if (!mesh) return <Loading what="Reading the mesh …" />;
  const growing = name === LIVE;
  const heldOut = FINISHED_HELD_OUT.find((picture) => files.has(picture));
  return (
    <>
      <MeshView mesh={mesh} growing={growing} />
      <p data-testid="mesh-words">
        {growing ? growthInWords(job) : "The finished mesh."}{" "}
        <span class="faint">{`${count((mesh.geometry.index?.count ?? 0) / 3)} triangles.`}</span>
      </p>
      {!growing && heldOut && (
        <figure class="heldout">
          <Picture path={artifactPath(object.id, heldOut)} version={files.get(heldOut)} alt={HELD_OUT} />
          <figcaption>{HELD_OUT}</figcaption>
        </figure>
      )}
    </>
  );
}

const LIVE = "live/surface/mesh.glb";
// The stage's own first: there as soon as it is through, whereas the object's wait for the end of the job.
const FINISHED = ["surface/mesh.glb", "mesh.glb"];
export const MESHES = [LIVE, ...FINISHED];
const FINISHED_HELD_OUT = ["surface/preview.png", "heldout.png"];
const HELD_OUT = "Photos that the training never saw; below each what the surface shows from there, and its normals.";

function growthInWords(job: Job): string {
  const running = job.stages.some(({ name, status }) => name === "surface" && status === "running");
  return running && !isOver(job)
    ? `As it is by now${stepInWords(job, "surface")}: coarser than it will be.`
    : "As far as it came: the run stopped before it was done.";
}

/** While the stage runs an earlier run's mesh is not the one to look at. */
function shownMesh({ stages }: Job, files: PartProps["files"]): string | undefined {
  const running = stages.some(({ name, status }) => name === "surface" && status === "running");
  return (running ? MESHES : [...FINISHED, LIVE]).find((name) => files.has(name));
}

function MeshView({ mesh, growing }: { mesh: Mesh; growing: boolean }) {
  const [stage, setStage] = useState<Stage>();
  const fitted = useRef<Stage | undefined>(undefined);
  useContent(stage, mesh);
  useEffect(() => {
    if (!stage || fitted.current === stage) return; // who has turned it keeps the view when it grows
    showAll(stage, mesh);
    fitted.current = stage;
  }, [stage, mesh]);
  return (
    <SpaceCanvas
      label={growing ? "The mesh as it grows." : "The finished mesh."}
      testId="mesh-space"
      instead="The files are on the tab Use."
      onStage={setStage}
    />
  );
}

/** The one before stays until the next has come. */
function useMesh(objectId: string, name: string | undefined, version: number | undefined): Mesh | undefined {
  const [mesh, setMesh] = useState<Mesh>();
  useEffect(() => {
    if (!name) return;
    let current = true;
    artifact(objectId, name)
      .then((answer) => answer.arrayBuffer())
      .then(readModel)
      .then(
        (geometry) => {
          const material = new MeshStandardMaterial({ vertexColors: geometry.hasAttribute("color"), roughness: 0.9, metalness: 0 });
          if (current) setMesh(new Mesh(geometry.applyMatrix4(GLB_FROM_OBJECT), material));
        },
        () => undefined, // replaced just now: the next look finds it
      );
    return () => {
      current = false;
    };
  }, [objectId, name, version]);
  return mesh;
}
