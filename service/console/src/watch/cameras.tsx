// The sparse cloud with the cameras: click one, or take it from the list.

import { useEffect, useMemo, useState } from "preact/hooks";
import { api } from "../api";
import { useAsked } from "../parts/asking";
import { EmptyState, Loading } from "../parts/states";
import { SpaceCanvas } from "../space/canvas";
import { type Cloud, type CloudModel, makeCloud } from "../space/cloud";
import { showAll, useContent } from "../space/content";
import type { Stage } from "../space/stage";
import type { Photo } from "../schema";
import { ChosenPhoto, Legend } from "./chosen_photo";
import { useDocument } from "./documents";
import type { PartProps } from "./part";
import { verdictTone, whenAfter } from "./words";

const TONES = { good: 0x55c98a, warn: 0xf2a65a, faint: 0x9aa1a9, chosen: 0xffe14d };

export function CamerasPart({ object, job, files }: PartProps) {
  const cloud = useDocument<Cloud>(object.id, "sfm/cloud.json", files.get("sfm/cloud.json"));
  const { value: photos = [] } = useAsked(() => api.photos(object.id), [object.id, job.stages.map(({ status }) => status).join()]);
  if (cloud === undefined) return <Loading what="Reading the cameras …" />;
  if (cloud === null)
    return <NoCloud when={whenAfter(job, "sfm")} over={job.stages.some(({ name, status }) => name === "sfm" && status === "succeeded")} />;
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
  const verdicts = new Map(photos.map(({ photo, verdict }) => [photo, verdict]));
  const tone = (name: string) => TONES[verdictTone(verdicts.get(name) ?? "pending")];
  useContent(stage, model.shown);
  useEffect(() => stage && showAll(stage, model.core), [stage, model]);
  useEffect(() => {
    model.paint((name) => (name === chosen ? TONES.chosen : tone(name)));
    stage?.draw();
  }, [stage, model, chosen, photos]);
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
        <p>{`${registered.length} of ${Math.max(photos.length, registered.length)} photos have a place. Click a camera, or choose a photo:`}</p>
        <ChosenPhoto objectId={objectId} names={registered} photos={photos} chosen={chosen} onChoose={setChosen} testId="camera-choice" />
        {stage && <Looks stage={stage} model={model} chosen={chosen} />}
        <Legend of={{ "dot tone-good": "used", "dot tone-warn": "not used", "dot tone-faint": "not judged yet" }} />
      </div>
    </div>
  );
}

/** From the chosen photo's place, or at everything. */
function Looks({ stage, model, chosen }: { stage: Stage; model: CloudModel; chosen: string | undefined }) {
  const lookFrom = (name: string) => {
    const view = model.view(name);
    if (!view) return;
    stage.camera.position.copy(view.from);
    stage.controls.target.copy(view.to);
    stage.controls.update();
  };
  return (
    <div class="tools">
      {chosen && (
        <button type="button" class="tool" onClick={() => lookFrom(chosen)} data-testid="look-from">
          Look from here
        </button>
      )}
      <button type="button" class="tool" onClick={() => showAll(stage, model.core)} data-testid="show-all">
        Show all
      </button>
    </div>
  );
}
