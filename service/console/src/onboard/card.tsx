// An object in the list: what it looks like, how far it is, how large it came out.

import { api } from "../api";
import { useAsked } from "../parts/asking";
import { roughly } from "../parts/times";
import type { Job, ObjectRow } from "../schema";
import { CardPicture } from "./card_picture";
import { sizeOf } from "./size";
import { counted } from "./words";

interface Props {
  object: ObjectRow;
  onRename: () => void;
  onDelete: () => void;
}

const STATES: Record<ObjectRow["state"], string> = { draft: "Draft", onboarding: "Onboarding", ready: "Ready", failed: "Failed" };

export function ObjectCard({ object, onRename, onDelete }: Props) {
  const { id, name, state, updated_at } = object;
  const { value: made } = useAsked(async () => (state === "ready" ? (await api.artifacts(id)).map((one) => one.name) : []), [id, state, updated_at]);
  return (
    <li class="card object" data-testid="object-card" data-id={id} data-state={state}>
      <a href={state === "draft" ? `#/new/${id}` : `#/objects/${id}`}>
        <CardPicture object={object} made={made} />
        <span class="title">
          <strong>{name}</strong>
          <span class={`state ${state}`}>{STATES[state]}</span>
        </span>
      </a>
      <Facts object={object} made={made ?? []} />
      <div class="tools">
        <button type="button" class="quiet" aria-label={`Rename ${name}`} onClick={onRename}>Rename</button>
        <button type="button" class="quiet" aria-label={`Delete ${name}`} onClick={onDelete}>Delete</button>
      </div>
    </li>
  );
}

function Facts({ object, made }: { object: ObjectRow; made: string[] }) {
  const { state, job_id, photos } = object;
  const photosLine = photos ? counted(photos, "photo") : "no photos yet";
  return (
    <div class="facts-of">
      <small>{photosLine}{made.includes("mesh.glb") && made.includes("report.json") && <Size object={object} />}</small>
      {job_id && state === "onboarding" && <Progress jobId={job_id} />}
      {job_id && state === "failed" && <Reason jobId={job_id} />}
    </div>
  );
}

function Size({ object }: { object: ObjectRow }) {
  const { value: size } = useAsked(() => sizeOf(object.id), [object.id, object.updated_at]);
  return size ? <> · <span data-testid="object-size">{size}</span></> : null;
}

function Progress({ jobId }: { jobId: string }) {
  const { value: job } = useAsked(() => api.job(jobId), [jobId], 3000);
  if (!job) return <progress aria-label="Onboarding" />;
  return (
    <>
      <progress max={1} value={job.progress} aria-label="Onboarding" />
      <small data-testid="object-progress">{progressLine(job)}</small>
    </>
  );
}

function progressLine(job: Job): string {
  if (job.status === "canceling") return "stopping";
  if (job.waiting_for) return `waiting for ${job.waiting_for}`;
  if (job.status === "queued" && job.queue_position) return `waiting: ${counted(job.queue_position, "other")} before it`;
  const left = job.eta_s === null ? "" : `, ${roughly(job.eta_s)} left`;
  return `${Math.round(100 * job.progress)} %${left}`;
}

function Reason({ jobId }: { jobId: string }) {
  const { value: job } = useAsked(() => api.job(jobId), [jobId]);
  return job?.error ? <small class="reason">{job.error.what}</small> : null;
}
