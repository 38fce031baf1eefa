// From which sides the photos look at the object, and which sides are missing.

import { useEffect, useMemo, useState } from "preact/hooks";
import { api } from "../api";
import { useAsked } from "../parts/asking";
import { EmptyState, Loading } from "../parts/states";
import type { ObjectRow, Photo } from "../schema";
import { SpaceCanvas } from "../space/canvas";
import { showAll, useContent } from "../space/content";
import { type Coverage, makeDome } from "../space/dome";
import type { Stage } from "../space/stage";
import { useDocument } from "./documents";
import type { PartProps } from "./parts";
import { PhotoFacts } from "./photo_facts";
import { whenAfter } from "./words";

export function CoveragePart({ object, job, files }: PartProps) {
  const coverage = useDocument<Coverage>(object.id, "coverage.json", files.get("coverage.json"));
  const { value: photos = [] } = useAsked(() => api.photos(object.id), [object.id, files.get("coverage.json")]);
  if (coverage === undefined) return <Loading what="Reading the coverage …" />;
  if (coverage === null) return <EmptyState title="No coverage yet" advice={`The sides that were seen appear once masks and coverage are done${whenAfter(job, "coverage")}.`} />;
  return <Dome object={object} coverage={coverage} photos={photos} />;
}

function Dome({ object, coverage, photos }: { object: ObjectRow; coverage: Coverage; photos: Photo[] }) {
  const [stage, setStage] = useState<Stage>();
  const [chosen, setChosen] = useState<string>();
  const model = useMemo(() => makeDome(coverage), [coverage]);
  useContent(stage, model.shown);
  useEffect(() => stage && showAll(stage, model.core), [stage, model]);
  useEffect(() => {
    model.choose(chosen);
    stage?.draw();
  }, [stage, model, chosen]);
  return (
    <div class="space-and-side">
      <SpaceCanvas
        label={`The sides of the object that photos show. ${inWords(coverage).join(" ")}`}
        testId="coverage-dome"
        instead="What it shows is said beside."
        onStage={setStage}
        onPick={(ray) => setChosen(model.pick(ray))}
      />
      <div class="side">
        <Missing coverage={coverage} object={object} />
        <ul class="plain" data-testid="coverage-words">{inWords(coverage).map((line) => <li key={line}>{line}</li>)}</ul>
        <select aria-label="Photo" value={chosen ?? ""} onChange={(event) => setChosen(event.currentTarget.value || undefined)} data-testid="direction-choice">
          <option value="">Choose a photo, or click a dot</option>
          {coverage.directions.map(({ photo }) => <option key={photo} value={photo}>{photo}</option>)}
        </select>
        {chosen && <PhotoFacts objectId={object.id} name={chosen} photo={photos.find(({ photo }) => photo === chosen)} />}
        <ul class="legend">
          <li><span class="swatch near" />well seen</li>
          <li><span class="swatch far" />hardly seen</li>
          <li><span class="swatch gap" />missing side</li>
        </ul>
      </div>
    </div>
  );
}

function Missing({ coverage, object }: { coverage: Coverage; object: ObjectRow }) {
  if (coverage.gaps.length === 0) return <p><strong>Every side is seen.</strong></p>;
  return (
    <div data-testid="missing-sides">
      <strong>{coverage.gaps.length === 1 ? "A side is missing" : `${coverage.gaps.length} sides are missing`}</strong>
      <ul>{coverage.gaps.map(({ message }) => <li key={message}>{message}</li>)}</ul>
      <a href={`#/new/${object.id}`}>Add photos from there</a>
    </div>
  );
}

function inWords({ photos, azimuth_seen_deg, elevation_deg, neighbour_deg, distance_sizes, sees_into_hollows }: Coverage): string[] {
  const whole = Math.round;
  return [
    `${photos.used} photos used, ${photos.left_out} left out.`,
    `${whole(azimuth_seen_deg)}° of 360° around it.`,
    `From ${whole(elevation_deg.lowest)}° to ${whole(elevation_deg.highest)}° above level${sees_into_hollows ? ", steep enough to see into hollows" : ""}.`,
    `${whole(neighbour_deg.middle)}° from photo to photo, ${whole(neighbour_deg.farthest)}° at most.`,
    `From ${distance_sizes.nearest.toFixed(1)} to ${distance_sizes.farthest.toFixed(1)} sizes of the object away.`,
  ];
}
