// What a finished object is good for: its model, its accuracy, poses in images, exports.

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

const WAITING: Record<string, string> = {
  draft: "Its photos are not onboarded yet: start that, and its model and its poses appear here.",
  onboarding: "Its onboarding is going on: model and poses appear here when it is through.",
  failed: "Its onboarding stopped: see why, and go on from there.",
};

export function UseTab({ object }: { object: ObjectRow }) {
  if (object.state !== "ready")
    return <EmptyState title="Not ready to use" advice={WAITING[object.state]!} action={{ label: "Watch", href: `#/objects/${object.id}/watch` }} />;
  return <Ready key={object.updated_at} object={object} />;
}

function Ready({ object }: { object: ObjectRow }) {
  const { value: documents, error, again } = useAsked(() => readDocuments(object.id), [object.id]);
  const { value: artifacts = [] } = useAsked(() => api.artifacts(object.id), [object.id], 20_000);
  const model = useAsked(async () => readModel(await (await artifact(object.id, "mesh.glb")).arrayBuffer()), [object.id]);
  const metric = isMetric(documents?.report ?? null);
  const lengths = useMemo(() => {
    const box = model.value?.boundingBox;
    return box ? (["x", "y", "z"] as const).map((axis) => length(box.max[axis] - box.min[axis], metric)) : [];
  }, [model.value, metric]);
  if (!documents) return error ? <Failure error={error} action={{ label: "Try again", onClick: again }} /> : <Loading what="Loading the object …" />;
  return (
    <div class="use">
      <div class="model-and-facts">
        <div class="card">
          {model.value && <Turntable geometry={model.value} lengths={lengths} name={object.name} />}
          {!model.value && (model.error ? <Failure error={model.error} action={{ label: "Try again", onClick: model.again }} /> : <Loading what="Loading the mesh …" />)}
        </div>
        <div class="card">
          <Facts object={object} documents={documents} />
        </div>
      </div>
      <EstimateSection object={object} documents={documents} artifacts={artifacts} geometry={model.value ?? null} />
      {documents.accuracy && <AccuracySection accuracy={documents.accuracy} metric={metric} />}
      <Exports id={object.id} artifacts={artifacts} />
    </div>
  );
}
