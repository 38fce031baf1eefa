// How an onboarding goes: its stages on the one side, what they have made so far on the other.

import { EmptyState, Failure, Loading } from "../parts/states";
import type { ObjectRow } from "../schema";
import { isOver, useFiles, useJob } from "../watch/following";
import { Parts } from "../watch/parts";
import { RunCard } from "../watch/run";
import { RunAgain } from "../watch/run_again";
import { StageList } from "../watch/stages";
import { Warnings } from "../watch/warnings";

/** `part`: which of the things to see, as the address names it. */
export function WatchTab({ object, part, onChange }: { object: ObjectRow; part?: string; onChange: () => void }) {
  if (object.job_id) return <Watched key={object.job_id} object={object} jobId={object.job_id} part={part} onChange={onChange} />;
  const action = { label: "Photos and options", href: `#/new/${object.id}` };
  return <EmptyState title="Nothing has run yet" advice={`${object.photos || "No"} photos are here. Start the onboarding where they are.`} action={action} />;
}

function Watched({ object, jobId, part, onChange }: { object: ObjectRow; jobId: string; part?: string; onChange: () => void }) {
  const { job, at, error, show } = useJob(jobId);
  if (!job) return error ? <Failure error={error} action={{ label: "Try again", onClick: onChange }} /> : <Loading what="Reading the job …" />;
  const changed = (now: typeof job) => (show(now), onChange());
  return (
    <div class="watch" data-testid="watch">
      <div class="run-side">
        <RunCard object={object} job={job} at={at} error={error} onJob={changed} />
        <StageList job={job} at={at} />
        <Warnings of={job.warnings} object={object} />
        {isOver(job) && <RunAgain object={object} job={job} onBegun={onChange} />}
      </div>
      <Seen object={object} job={job} part={part} />
    </div>
  );
}

function Seen({ object, job, part }: { object: ObjectRow; job: NonNullable<ReturnType<typeof useJob>["job"]>; part?: string }) {
  const files = useFiles(object.id, job);
  return files ? <Parts object={object} job={job} files={files} part={part} /> : <Loading what="Looking at what there is …" />;
}
