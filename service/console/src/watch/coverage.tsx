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
import { face } from "../space/turning";
import { ChosenPhoto, Legend } from "./chosen_photo";
import { useDocument } from "./documents";
import type { PartProps } from "./part";
import { whenAfter } from "./words";

/** Its own stage's; the one that is the object's appears when the run is through. */
export const COVERAGE = "coverage/coverage.json";

export function CoveragePart({ object, job, files }: PartProps) {
  const coverage = useDocument<Coverage>(object.id, COVERAGE, files.get(COVERAGE));
  const { value: photos = [] } = useAsked(() => api.photos(object.id), [object.id, files.get(COVERAGE)]);
  if (coverage === undefined) return <Loading what="Reading the coverage …" />;
  if (coverage === null)
    return (
      <EmptyState
        title="No coverage yet"
        advice={`The sides that were seen appear once masks and coverage are done${whenAfter(job, "coverage")}.`}
      />
    );
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
  const names = coverage.directions.map(({ photo }) => photo);
  const chooseFromList = (photo: string | undefined) => {
    setChosen(photo);
    const side = photo && model.side(photo);
    if (stage && side) face(stage, side); // its dot may be on the far side
  };
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
        <ul class="plain" data-testid="coverage-words">
          {inWords(coverage).map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
        <ChosenPhoto
          objectId={object.id}
          names={names}
          photos={photos}
          chosen={chosen}
          onChoose={chooseFromList}
          testId="direction-choice"
        />
        <Legend of={{ "swatch near": "well seen", "swatch far": "hardly seen", "swatch gap": "missing side" }} />
      </div>
    </div>
  );
}

function Missing({ coverage, object }: { coverage: Coverage; object: ObjectRow }) {
  if (coverage.gaps.length === 0)
    return (
      <p>
        <strong>Every side is seen.</strong>
      </p>
    );
  return (
    <div data-testid="missing-sides">
      <strong>{coverage.gaps.length === 1 ? "A side is missing" : `${coverage.gaps.length} sides are missing`}</strong>
      <ul>
        {coverage.gaps.map(({ message }) => (
          <li key={message}>{message}</li>
        ))}
      </ul>
      <a href={`#/new/${object.id}`}>Add photos from there</a>
    </div>
  );
}

function inWords({ photos, azimuth_seen_deg, elevation_deg, neighbour_deg, distance_sizes, sees_into_hollows }: Coverage): string[] {
  const whole = Math.round;
  const hollows = sees_into_hollows ? ", steep enough to see into hollows" : "";
  return [
    `${photos.used} photos used, ${photos.left_out} left out.`,
    `${whole(azimuth_seen_deg)}° of 360° around it.`,
    `From ${whole(elevation_deg.lowest)}° to ${whole(elevation_deg.highest)}° above level${hollows}.`,
    `${whole(neighbour_deg.middle)}° from photo to photo, ${whole(neighbour_deg.farthest)}° at most.`,
    `From ${distance_sizes.nearest.toFixed(1)} to ${distance_sizes.farthest.toFixed(1)} sizes of the object away.`,
  ];
}
