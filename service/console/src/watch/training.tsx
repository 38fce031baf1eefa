// How the trainings go: a loss curve each.

import type { Job } from "../schema";
import { CurveChart } from "./chart";
import { type Curve, type CurveFile, curveName, readCurve, significant } from "./curve";
import { useDocument } from "./documents";
import type { PartProps } from "./part";
import { stageTitle, whenAfter } from "./words";

const TRAINED = ["surface", "early", "correspondence"];

export function TrainingPart({ object, job, files }: PartProps) {
  return (
    <>
      {TRAINED.filter((name) => job.stages.some((stage) => stage.name === name)).map((name) => (
        <section key={name} class="card" aria-labelledby={`curve-${name}`} data-testid={`curve-${name}`}>
          <h2 id={`curve-${name}`}>{stageTitle(name)}</h2>
          <StageCurve object={object} job={job} files={files} stage={name} />
        </section>
      ))}
    </>
  );
}

function StageCurve({ object, job, files, stage }: PartProps & { stage: string }) {
  const name = curveName(job, stage, files);
  const file = useDocument<CurveFile>(object.id, name ?? "", name ? files.get(name) : undefined);
  if (file === undefined) return <p class="faint">Reading …</p>;
  const curve = file && readCurve(file);
  if (!curve) return <p class="faint">{notYet(job, stage)}</p>;
  return (
    <>
      <CurveChart curve={curve} />
      <Last of={curve.last} />
    </>
  );
}

function notYet(job: Job, stage: string): string {
  const row = job.stages.find(({ name }) => name === stage)!;
  if (row.status === "succeeded" || row.status === "skipped") return "The curve of this training was not kept.";
  const before = job.stages[job.stages.indexOf(row) - 1];
  return row.status === "running"
    ? "The curve appears with its first steps."
    : `The curve appears when this stage begins${before ? whenAfter(job, before.name) : ""}.`;
}

function Last({ of: numbers }: { of: Curve["last"] }) {
  return numbers.length ? (
    <p class="faint">{`By now: ${numbers.map(([name, value]) => `${name.replaceAll("_", " ")} ${significant(value)}`).join(" · ")}`}</p>
  ) : null;
}
