// The run as a whole: how far it is, how long it still takes, why it stopped, and what can be done about it.

import { useState } from "preact/hooks";
import { api } from "../api";
import { Failure } from "../parts/states";
import { roughly, spell } from "../parts/times";
import type { Job, ObjectRow } from "../schema";
import { CancelButton } from "./cancel";
import { isOver, useNow } from "./following";
import { percent, stageTitle } from "./words";

interface Props {
  object: ObjectRow;
  job: Job;
  at: number;
  error?: unknown;
  onJob: (job: Job) => void;
}

export function RunCard({ object, job, at, error, onJob }: Props) {
  return (
    <section class="card run" aria-label="The run" data-testid="run" data-status={job.status}>
      <p class="run-state" role="status" data-testid="job-status">
        {stateInWords(job)}
      </p>
      <progress max={1} value={job.progress} aria-label="Of all stages" data-testid="job-progress" />
      <Times job={job} at={at} />
      {(job.status === "queued" || job.waiting_for) && <Waiting job={job} />}
      {error !== undefined && !isOver(job) && (
        <p class="tone-warn" data-testid="not-live">{`No news since ${clock(at)}: ${(error as Error).message}.`}</p>
      )}
      {job.error && job.status === "failed" && <Stopped error={job.error} />}
      {(job.status === "queued" || job.status === "running") && <CancelButton job={job} onJob={onJob} />}
      {(job.status === "failed" || job.status === "canceled") && (
        <div class="tools">
          {!isCurable(job) && (
            <a class="button" href={`#/new/${object.id}`} data-testid="change-capture">
              Change photos or options
            </a>
          )}
          <ResumeButton job={job} onJob={onJob} />
        </div>
      )}
    </section>
  );
}

function stateInWords(job: Job): string {
  const stage = job.stage && `${stageTitle(job.stage.name)}, stage ${job.stage.index + 1} of ${job.stage.count}`;
  switch (job.status) {
    case "queued":
      return job.waiting_for ? "Waiting for a worker" : "In the queue";
    case "running":
      return stage ?? "Starting";
    case "canceling":
      return "Stopping …";
    case "succeeded":
      return "Finished";
    case "failed":
      return `Failed${job.stage ? `: ${stageTitle(job.stage.name)}` : ""}`;
    case "canceled":
      return "Canceled: what is finished is kept";
  }
}

function Times({ job, at }: { job: Job; at: number }) {
  const now = useNow(!isOver(job));
  const facts = [percent(job.progress), `profile ${job.profile}`];
  if (job.status === "running" && job.eta_s !== null) facts.splice(1, 0, `${roughly(Math.max(0, job.eta_s - (now - at) / 1000))} left`);
  if (job.status === "queued" && job.eta_s !== null) facts.splice(1, 0, `${roughly(job.eta_s)} of work`);
  if (job.status === "running" && job.started_at) facts.push(`begun ${clock(1000 * job.started_at)}`);
  if (job.finished_at && job.started_at) facts.push(`took ${spell(job.finished_at - job.started_at)}`);
  if (job.estimate && job.status !== "queued") facts.push(`forecast ${roughly(job.estimate.seconds).replace("about ", "")}`);
  return (
    <p class="facts-line" data-testid="job-times">
      {facts.join(" · ")}
    </p>
  );
}

const clock = (ms: number) => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

function Waiting({ job }: { job: Job }) {
  const before = job.queue_position ?? 0;
  return (
    <p data-testid="queue">
      {job.waiting_for
        ? `It waits for ${job.waiting_for}.`
        : before
          ? `${before} ${before === 1 ? "job is" : "jobs are"} before it.`
          : "It is the next one."}
    </p>
  );
}

/** What failed, what to try, and whether the same may succeed when it is tried again. */
function Stopped({ error }: { error: NonNullable<Job["error"]> }) {
  return (
    <div class="stopped" role="alert" data-testid="job-error">
      <p>
        <strong>{error.what}</strong>
      </p>
      {error.try_next && <p>{`What to do: ${error.try_next}.`}</p>}
      {error.retryable ? (
        <p class="faint">It may well succeed when it is resumed.</p>
      ) : (
        <p class="faint">With the same photos and options it will fail again.</p>
      )}
    </div>
  );
}

const isCurable = (job: Job) => job.status === "canceled" || job.error?.retryable === true;

const firstOpen = (job: Job) => (job.stages.find(({ status }) => status !== "succeeded" && status !== "skipped") ?? job.stages[0]!).name;

function ResumeButton({ job, onJob }: { job: Job; onJob: (job: Job) => void }) {
  const [state, setState] = useState<{ asking?: boolean; refused?: unknown }>({});
  const resume = () => {
    setState({ asking: true });
    api.resume(job.id).then(onJob, (refused) => setState({ refused }));
  };
  return (
    <>
      <button
        type="button"
        class={isCurable(job) ? "" : "quiet"}
        disabled={state.asking}
        onClick={resume}
        data-testid="resume"
      >{`Resume: ${stageTitle(firstOpen(job)).toLowerCase()}`}</button>
      {state.refused !== undefined && <Failure error={state.refused} />}
    </>
  );
}
