// The sparse cloud with the cameras: click one, or take it from the list.

import { useEffect, useMemo, useState } from "preact/hooks";
import { api } from "../api";
import { useAsked } from "../parts/asking";
import { EmptyState, Loading } from "../parts/states";
import { SpaceCanvas } from "../space/canvas";
import { type Cloud, makeCloud } from "../space/cloud";
import { showAll, useContent } from "../space/content";
import type { Stage } from "../space/stage";
import type { Photo } from "../schema";
import { useDocument } from "./documents";
import type { PartProps } from "./parts";
import { PhotoFacts } from "./photo_facts";
import { verdictTone, whenAfter } from "./words";

const TONES = { good: 0x55c98a, warn: 0xf2a65a, faint: 0x9aa1a9, chosen: 0xffe14d };

export function CamerasPart({ object, job, files }: PartProps) {
  const cloud = useDocument<Cloud>(object.id, "sfm/cloud.json", files.get("sfm/cloud.json"));
  const { value: photos = [] } = useAsked(() => api.photos(object.id), [object.id, job.stages.map(({ status }) => status).join()]);
  if (cloud === undefined) return <Loading what="Reading the cameras …" />;
  if (cloud === null) return <NoCloud when={whenAfter(job, "sfm")} over={job.stages.some(({ name, status }) => name === "sfm" && status === "succeeded")} />;
  return <Space objectId={object.id} cloud={cloud} photos={photos} />;
}

function NoCloud({ when, over }: { when: string; over: boolean }) {
  return over ? (
    <EmptyState title="No cameras to see" advice="This object was made before they were kept. Run again from the stage sfm to see them." />
  ) : (
    <EmptyState title="No cameras yet" advice={`Cameras appear after sfm${when}.`} />
  );
}

function Space({ objectId, cloud, photos }: { objectId: string; cloud: Cloud; photos: Photo[] }) {
  const [stage, setStage] = useState<Stage>();
  const [chosen, setChosen] = useState<string>();
  const model = useMemo(() => makeCloud(cloud), [cloud]);
  const verdicts = new Map(photos.map((one) => [one.photo, one]));
  const tone = (name: string) => TONES[verdictTone(verdicts.get(name)?.verdict ?? "pending")];
  useContent(stage, model.shown);
  useEffect(() => stage && showAll(stage, model.core), [stage, model]);
  useEffect(() => {
    model.paint((name) => (name === chosen ? TONES.chosen : tone(name)));
    stage?.draw();
  }, [stage, model, chosen, photos]);
  const lookFrom = (name: string) => {
    const view = model.view(name);
    if (!stage || !view) return;
    stage.camera.position.copy(view.from);
    stage.controls.target.copy(view.to);
    stage.controls.update();
  };
  const registered = cloud.cameras.map(({ name }) => name).sort();
  return (
    <div class="space-and-side">
      <SpaceCanvas
        label={`${cloud.points.length} points and ${cloud.cameras.length} cameras.`}
        testId="cameras-space"
        instead="The list beside has every camera."
        onStage={setStage}
        onPick={(ray) => setChosen(model.pick(ray))}
      />
      <div class="side">
        <p>{`${cloud.cameras.length} of ${Math.max(photos.length, cloud.cameras.length)} photos have a place. Click a camera, or choose one:`}</p>
        <select aria-label="Photo" value={chosen ?? ""} onChange={(event) => setChosen(event.currentTarget.value || undefined)} data-testid="camera-choice">
          <option value="">none</option>
          {registered.map((name) => <option key={name}>{name}</option>)}
        </select>
        {chosen && <PhotoFacts objectId={objectId} name={chosen} photo={verdicts.get(chosen)} />}
        {stage && (
          <div class="tools">
            {chosen && <button type="button" class="tool" onClick={() => lookFrom(chosen)} data-testid="look-from">Look from here</button>}
            <button type="button" class="tool" onClick={() => showAll(stage, model.core)} data-testid="show-all">Show all</button>
          </div>
        )}
        <Legend />
      </div>
    </div>
  );
}

function Legend() {
  return (
    <ul class="legend">
      <li><span class="dot tone-good" />used</li>
      <li><span class="dot tone-warn" />not used</li>
      <li><span class="dot tone-faint" />not judged yet</li>
    </ul>
  );
}
