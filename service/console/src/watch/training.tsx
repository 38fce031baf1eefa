// How the two trainings go: a loss curve each.

import type { Job } from "../schema";
import { CurveChart } from "./chart";
import { type Curve, significant } from "./curve";
import { useDocument } from "./documents";
import type { PartProps } from "./parts";
import { stageTitle, whenAfter } from "./words";

const TRAINED = ["surface", "correspondence"];

export function TrainingPart({ object, job, files }: PartProps) {
  return (
    <>
      {TRAINED.filter((name) => job.stages.some((stage) => stage.name === name)).map((name) => (
        <section key={name} class="card" aria-labelledby={`curve-${name}`} data-testid={`curve-${name}`}>
          <h2 id={`curve-${name}`}>{stageTitle(name)}</h2>
          <StageCurve objectId={object.id} job={job} stage={name} bytes={files.get(`live/${name}/curve.json`)} />
        </section>
      ))}
    </>
  );
}

function StageCurve({ objectId, job, stage, bytes }: { objectId: string; job: Job; stage: string; bytes: number | undefined }) {
  const curve = useDocument<Curve>(objectId, `live/${stage}/curve.json`, bytes);
  if (curve === undefined) return <p class="faint">Reading …</p>;
  if (!curve?.rows.some(({ loss }) => loss > 0)) return <p class="faint">{notYet(job, stage)}</p>;
  return (
    <>
      <CurveChart curve={curve} />
      <Others row={curve.rows.at(-1)!} />
    </>
  );
}

function notYet(job: Job, stage: string): string {
  const row = job.stages.find(({ name }) => name === stage)!;
  if (row.status === "succeeded" || row.status === "skipped") return "The curve of this training was not kept.";
  const before = job.stages[job.stages.indexOf(row) - 1];
  return row.status === "running" ? "The curve appears with its first steps." : `The curve appears when this stage begins${before ? whenAfter(job, before.name) : ""}.`;
}

function Others({ row: { step: _, loss: __, ...others } }: { row: Curve["rows"][number] }) {
  const named = Object.entries(others).filter(([, value]) => Number.isFinite(value));
  return named.length ? <p class="faint">{`Last: ${named.map(([name, value]) => `${name.replaceAll("_", " ")} ${significant(value)}`).join(" · ")}`}</p> : null;
}
