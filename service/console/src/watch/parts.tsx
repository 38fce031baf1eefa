// What there is to see of an object while it is made: one part at a time, each from the stage on that makes it.

import type { ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { CamerasPart } from "./cameras";
import { COVERAGE, CoveragePart } from "./coverage";
import { LogPart } from "./log";
import type { PartProps } from "./part";
import { PhotosPart } from "./photos";
import { MESHES, SurfacePart } from "./surface";
import { TrainingPart } from "./training";

interface Part {
  label: string;
  show: ComponentType<PartProps>;
  /** Of a job without this stage there is nothing to see. */
  stage?: string;
  has: (files: Map<string, number>) => boolean;
}

const PARTS: Record<string, Part> = {
  photos: { label: "Photos", show: PhotosPart, has: () => true },
  cameras: { label: "Cameras", show: CamerasPart, stage: "sfm", has: (files) => files.has("sfm/cloud.json") },
  coverage: { label: "Coverage", show: CoveragePart, stage: "coverage", has: (files) => files.has(COVERAGE) },
  surface: {
    label: "Surface",
    show: SurfacePart,
    stage: "surface",
    has: (files) => MESHES.some((name) => files.has(name)),
  },
  training: {
    label: "Training",
    show: TrainingPart,
    stage: "surface",
    has: (files) => [...files.keys()].some((name) => name.endsWith("/curve.json")),
  },
  log: { label: "Log", show: LogPart, has: () => true },
};

export function Parts({ part, ...props }: PartProps & { part?: string }) {
  const there = Object.entries(PARTS).filter(([, { stage }]) => !stage || props.job.stages.some(({ name }) => name === stage));
  const shown = there.find(([name]) => name === part) ?? there[0]!;
  const Shown = shown[1].show;
  const tabs = useRef<HTMLElement>(null);
  useEffect(() => {
    const current = tabs.current!.querySelector<HTMLElement>("[aria-current]")!;
    tabs.current!.scrollLeft = current.offsetLeft - tabs.current!.offsetLeft - 40; // on a phone they are wider than the page
  }, [shown[0]]);
  return (
    <div class="seen">
      <nav ref={tabs} class="tabs" aria-label="What there is to see">
        {there.map(([name, { label, has }]) => (
          <a
            key={name}
            href={`#/objects/${props.object.id}/watch/${name}`}
            aria-current={name === shown[0] ? "page" : undefined}
            class={has(props.files) ? "" : "not-yet"}
            title={has(props.files) ? undefined : "nothing yet"}
            data-testid={`part-${name}`}
          >
            {label}
          </a>
        ))}
      </nav>
      <Shown {...props} />
    </div>
  );
}
