// What is still missing, and the start.

import { useState } from "preact/hooks";
import { api, Problem } from "../api";
import type { Photo } from "../schema";
import { Section } from "./section";
import type { Session } from "./session";
import { counted } from "./words";

interface Props {
  session: Session;
  photos: Photo[];
  videos: Photo[];
  state: string;
}

const ENOUGH = 40;

export function StartSection({ session, photos, videos, state }: Props) {
  const [begun, setBegun] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const needed = missing(session, photos, videos);
  const begin = async () => {
    setBegun(true);
    setProblem(undefined);
    try {
      await session.save();
      await api.train(session.id!);
      location.hash = `#/objects/${session.id}/watch`;
    } catch (error) {
      setProblem(error as Problem);
    }
    setBegun(false);
  };
  const again = state === "ready" || state === "failed";
  return (
    <Section id="start" title="Start" problem={problem}>
      {state !== "onboarding" && <List lines={needed} kind="needed" />}
      <List lines={advice(session, photos, videos)} kind="advice" />
      <div class="row">
        <button type="button" data-testid="start" disabled={begun || needed.length > 0 || state === "onboarding"} onClick={begin}>
          {begun ? "Starting …" : again ? "Onboard again" : "Start onboarding"}
        </button>
        <Saved session={session} />
      </div>
    </Section>
  );
}

/** Without this it can't start. */
function missing(session: Session, photos: Photo[], videos: Photo[]): string[] {
  const lines: string[] = [];
  const underway = session.queue.underway() + session.opening.length;
  if (underway) lines.push(`${counted(underway, "file is", "files are")} still on the way: wait until they have arrived.`);
  else if (!photos.length && !videos.length) lines.push("There are no photos yet: add some, or a video.");
  for (const section of ["place", "scale"] as const) {
    const lacking = session.missing(section);
    if (lacking) lines.push(`${lacking[0]!.toUpperCase()}${lacking.slice(1)}.`);
  }
  if (Object.entries(session.problems).some(([where]) => where !== "files")) lines.push("Something above was not taken by the service: correct it.");
  return lines;
}

/** It can start without. */
function advice(session: Session, photos: Photo[], videos: Photo[]): string[] {
  const lines: string[] = [];
  if (photos.length && photos.length < ENOUGH && !videos.length)
    lines.push(`You have ${counted(photos.length, "photo")}. ${ENOUGH} do where the object has much texture, 60 to 100 are better.`);
  if (session.forms.scale.source === "unknown") lines.push("Nothing tells how large it is: poses will be in units of the mesh, not in metres.");
  const failed = session.queue.items.filter((item) => item.state === "failed").length;
  if (failed) lines.push(`${counted(failed, "file")} could not be sent; it starts without.`);
  return lines;
}

function List({ lines, kind }: { lines: string[]; kind: "needed" | "advice" }) {
  if (!lines.length) return null;
  return <ul class={kind} data-testid={`start-${kind}`}>{lines.map((line) => <li key={line}>{line}</li>)}</ul>;
}

function Saved({ session }: { session: Session }) {
  if (!session.id || session.queue.underway()) return null;
  return <small role="status" data-testid="saved">{session.isSaving ? "Saving …" : "Everything is saved. You can close this page and go on later."}</small>;
}
