// What a finished object is good for: its model, its accuracy, poses in images, exports.

import type { BufferGeometry } from "three";
import { useMemo } from "preact/hooks";
import { api, artifact } from "../api";
import { useAsked } from "../parts/asking";
import { EmptyState, Failure, Loading } from "../parts/states";
import type { Artifact, ObjectRow } from "../schema";
import { readModel } from "../space/model";
import { AccuracySection } from "../use/accuracy";
import { readDocuments } from "../use/documents";
import { EstimateSection } from "../use/estimate";
import { Exports } from "../use/exports";
import { Facts } from "../use/facts";
import { isMetric, length } from "../use/lengths";
import { Turntable } from "../use/turntable";

export function UseTab({ object }: { object: ObjectRow }) {
  if (object.state === "ready") return <Ready key={object.updated_at} object={object} />;
  return object.state === "onboarding" ? <Onboarding object={object} /> : <NotReady object={object} />;
}

/** From half way on its first networks answer. */
function Onboarding({ object }: { object: ObjectRow }) {
  const { value: answers } = useAsked(() => answersAlready(object.job_id), [object.job_id], 5000);
  if (!answers) return <NotReady object={object} />;
  return (
    <>
      <p class="notice" data-testid="early">
        Its training goes on: the first networks answer. They find it best with a box around it, and are sure of less. <a href={`#/objects/${object.id}/watch`}>Watch</a>
      </p>
      <Ready object={object} />
    </>
  );
}

async function answersAlready(jobId: string | null): Promise<boolean> {
  if (!jobId) return false;
  const [{ answers_after }, { stages }] = await Promise.all([api.info(), api.job(jobId)]);
  const needed = stages.filter(({ name }) => answers_after.includes(name));
  return needed.length > 0 && needed.every(({ status }) => status === "succeeded" || status === "skipped");
}

function NotReady({ object: { id, state } }: { object: ObjectRow }) {
  const title = "Not ready to use";
  const watch = { label: "Watch", href: `#/objects/${id}/watch` };
  if (state === "draft")
    return <EmptyState title={title} advice="Its photos are not onboarded yet. Once they are, model and poses are here." action={{ label: "Go on with it", href: `#/new/${id}` }} />;
  if (state === "failed") return <EmptyState title={title} advice="Its onboarding stopped: see why, and go on from there." action={watch} />;
  return <EmptyState title={title} advice="Its onboarding is going on. Model and poses are here as soon as its first networks are trained, about half way." action={watch} />;
}

function Ready({ object: { id, ...object } }: { object: ObjectRow }) {
  const { value, error, again } = useAsked(async () => {
    const artifacts = await api.artifacts(id);
    return { artifacts, documents: await readDocuments(id, artifacts) };
  }, [id]);
  const mesh = value && meshAmong(value.artifacts);
  const model = useAsked(async () => (mesh ? openModel(id, mesh) : undefined), [id, mesh]);
  const metric = isMetric(value?.documents.scale ?? null);
  const lengths = useMemo(() => {
    const box = model.value?.boundingBox;
    return box ? (["x", "y", "z"] as const).map((axis) => length(box.max[axis] - box.min[axis], metric)) : [];
  }, [model.value, metric]);
  if (!value) return error ? <Failure error={error} action={{ label: "Try again", onClick: again }} /> : <Loading what="Loading the object …" />;
  const { artifacts, documents } = value;
  return (
    <div class="use">
      <div class="model-and-facts">
        <div class="card">
          {model.value && <Turntable geometry={model.value} lengths={lengths} name={object.name} />}
          {!model.value && (model.error ? <Failure error={model.error} action={{ label: "Try again", onClick: model.again }} /> : <Loading what="Loading the mesh …" />)}
        </div>
        {documents.report && (
          <div class="card">
            <Facts id={id} documents={documents} />
          </div>
        )}
      </div>
      <EstimateSection id={id} documents={documents} artifacts={artifacts} geometry={model.value ?? null} />
      {documents.accuracy && <AccuracySection accuracy={documents.accuracy} metric={metric} />}
      <Exports id={id} artifacts={artifacts} />
    </div>
  );
}

/** The surface's own until all of the object is finished. */
const meshAmong = (artifacts: Artifact[]) => (artifacts.some(({ name }) => name === "mesh.glb") ? "mesh.glb" : "surface/mesh.glb");

async function openModel(id: string, mesh: string): Promise<BufferGeometry> {
  const bytes = await (await artifact(id, mesh)).arrayBuffer();
  return readModel(bytes).catch(() => {
    throw new Error(`${mesh} holds nothing that can be shown`);
  });
}
