// A job as it goes: its events tell that something has happened, its row tells what.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { api, type JobEvent, jobEvents, Problem } from "../api";
import type { Job } from "../schema";

export interface Followed {
  job?: Job;
  /** When the row was read, in milliseconds: its times count from there. */
  at: number;
  /** Why it can't be read just now, or at all. */
  error?: unknown;
  show: (job: Job) => void;
}

const LEAST_MS = 1000; // between two reads of the row
const QUEUED_MS = 5000; // places in a queue change without an event

export const isOver = (job: Job) => ["succeeded", "failed", "canceled"].includes(job.status);

export function useJob(id: string): Followed {
  const [state, setState] = useState<{ job?: Job; at: number; error?: unknown }>({ at: 0 });
  const show = useCallback((job: Job) => setState({ job, at: Date.now() }), []);
  const last = useRef("");
  const job = state.job?.id === id ? state.job : undefined;
  const going = !job || !isOver(job);
  const queued = job?.status === "queued";
  useEffect(() => {
    const stop = new AbortController();
    const read = atMostEvery(LEAST_MS, stop.signal, () =>
      api.job(id).then(show, (error) => setState((before) => ({ ...before, error }))),
    );
    read();
    const timer = setInterval(read, queued ? QUEUED_MS : 10 * QUEUED_MS);
    const follow = async () => {
      for await (const event of jobEvents(id, stop.signal, last.current)) {
        last.current = event.id;
        setState((before) => ({ ...before, job: before.job && withProgress(before.job, event) }));
        read();
      }
      read();
    };
    if (going) void follow();
    else clearInterval(timer);
    return () => {
      clearInterval(timer);
      stop.abort();
    };
  }, [id, going, queued]);
  return { job, at: state.at, error: state.error, show };
}

/** Progress is shown as soon as it comes; everything else waits for the row. */
function withProgress(job: Job, { kind, data }: JobEvent): Job {
  if (kind !== "stage.progress" || job.stage?.name !== data.stage) return job;
  const { step, steps, message, eta_s } = data;
  return { ...job, progress: Math.max(job.progress, data.progress), stage: { ...job.stage!, step, steps, message, eta_s } };
}

/** However often it is called: once now or when its time has come, and never two at a time. */
function atMostEvery(ms: number, signal: AbortSignal, work: () => Promise<void>): () => void {
  let [wanted, busy] = [false, false];
  const go = async () => {
    wanted = true;
    if (busy) return;
    for (busy = true; wanted && !signal.aborted; await new Promise((resume) => setTimeout(resume, ms))) {
      wanted = false;
      await work();
    }
    busy = false;
  };
  return () => void go();
}

/** The time in milliseconds, told again each second while `ticking`. */
export function useNow(ticking: boolean): number {
  const [, tick] = useState(0);
  useEffect(() => {
    if (!ticking) return;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [ticking]);
  return Date.now();
}

/** The object's files so far: name -> bytes. Looked at again when a stage ends, and now and then while one runs. */
export function useFiles(objectId: string, job: Job): Map<string, number> | undefined {
  const [files, setFiles] = useState<Map<string, number>>();
  const done = job.stages.map((stage) => stage.status).join();
  const going = !isOver(job);
  useEffect(() => {
    let current = true;
    const look = () =>
      api.artifacts(objectId).then(
        (rows) => current && setFiles(new Map(rows.map((row) => [row.name, row.bytes]))),
        (error) => current && !(error instanceof Problem) && setFiles((before) => before ?? new Map()),
      );
    look();
    const timer = going ? setInterval(() => document.visibilityState === "visible" && look(), 5000) : undefined;
    return () => {
      current = false;
      clearInterval(timer);
    };
  }, [objectId, done, going]);
  return files;
}
