// The stages, one below the other.

import { roughly, spell } from "../parts/times";
import type { Job, StageRow } from "../schema";
import { isOver, useNow } from "./following";
import { ordinal, stageTitle } from "./words";

export function StageList({ job, at }: { job: Job; at: number }) {
  return (
    <ol class="stages" aria-label="Stages" data-testid="stages">
      {job.stages.map((stage) => {
        const running = job.stage?.name === stage.name && stage.status === "running" && !isOver(job);
        return (
          <li
            key={stage.name}
            data-testid={`stage-${stage.name}`}
            data-status={running ? "running" : stage.status}
            aria-current={running ? "step" : undefined}
          >
            <div class="stage-head">
              <span class="stage-name">
                {stageTitle(stage.name)} <code>{stage.name}</code>
              </span>
              <span class="stage-time">{running ? <Left job={job} at={at} /> : past(stage, job)}</span>
            </div>
            {running && <Doing job={job} />}
            {stage.attempts > 1 && stage.status !== "skipped" && <small class="stage-note">{`${ordinal(stage.attempts)} attempt`}</small>}
          </li>
        );
      })}
    </ol>
  );
}

function past(stage: StageRow, job: Job): string {
  switch (stage.status) {
    case "succeeded":
      return `done, ${spell(stage.seconds ?? 0)}`;
    case "skipped":
      return "kept";
    case "failed":
      return "failed";
    case "running":
      return isOver(job) ? "stopped" : "starting";
    case "pending": {
      if (stage.attempts && isOver(job)) return "stopped";
      const seconds = job.estimate?.stages[stage.name];
      return seconds === undefined ? "" : roughly(seconds);
    }
  }
}

function Left({ job, at }: { job: Job; at: number }) {
  const now = useNow(true);
  const eta = job.stage!.eta_s;
  return <>{eta === null ? "running" : `${roughly(Math.max(0, eta - (now - at) / 1000))} left`}</>;
}

function Doing({ job }: { job: Job }) {
  const { name, step, steps, message } = job.stage!;
  return (
    <>
      <progress max={steps || 1} value={steps ? step : undefined} aria-label={stageTitle(name)} data-testid="stage-progress" />
      <small class="stage-note" data-testid="stage-message">
        {[steps > 1 && `${step.toLocaleString("en")} of ${steps.toLocaleString("en")}`, message].filter(Boolean).join(" · ")}
      </small>
    </>
  );
}
