// What a finished object is good for: its model, its accuracy, poses in images, exports.

import type { BufferGeometry } from "three";
import { useMemo } from "preact/hooks";
import { api, artifact } from "../api";
import { useAsked } from "../parts/asking";
import { EmptyState, Failure, Loading } from "../parts/states";
import type { ObjectRow } from "../schema";
import { readModel } from "../space/model";
import { AccuracySection } from "../use/accuracy";
import { readDocuments } from "../use/documents";
import { EstimateSection } from "../use/estimate";
import { Exports } from "../use/exports";
import { Facts } from "../use/facts";
import { isMetric, length } from "../use/lengths";
import { Turntable } from "../use/turntable";

export function UseTab({ object }: { object: ObjectRow }) {
  return object.state === "ready" ? <Ready key={object.updated_at} object={object} /> : <NotReady object={object} />;
}

function NotReady({ object: { id, state } }: { object: ObjectRow }) {
  const title = "Not ready to use";
  const watch = { label: "Watch", href: `#/objects/${id}/watch` };
  if (state === "draft")
    return <EmptyState title={title} advice="Its photos are not onboarded yet. Once they are, model and poses are here." action={{ label: "Go on with it", href: `#/new/${id}` }} />;
  if (state === "failed") return <EmptyState title={title} advice="Its onboarding stopped: see why, and go on from there." action={watch} />;
  return <EmptyState title={title} advice="Its onboarding is going on. Once it is through, model and poses are here; POST /v1/estimate answers as soon as its first networks are there." action={watch} />;
}

function Ready({ object: { id, ...object } }: { object: ObjectRow }) {
  const { value, error, again } = useAsked(async () => {
    const artifacts = await api.artifacts(id);
    return { artifacts, documents: await readDocuments(id, artifacts) };
  }, [id]);
  const model = useAsked(() => openModel(id), [id]);
  const metric = isMetric(value?.documents.report ?? null);
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
        <div class="card">
          <Facts id={id} documents={documents} />
        </div>
      </div>
      <EstimateSection id={id} documents={documents} artifacts={artifacts} geometry={model.value ?? null} />
      {documents.accuracy && <AccuracySection accuracy={documents.accuracy} metric={metric} />}
      <Exports id={id} artifacts={artifacts} />
    </div>
  );
}

async function openModel(id: string): Promise<BufferGeometry> {
  const bytes = await (await artifact(id, "mesh.glb")).arrayBuffer();
  return readModel(bytes).catch(() => {
    throw new Error("mesh.glb holds nothing that can be shown");
  });
}
