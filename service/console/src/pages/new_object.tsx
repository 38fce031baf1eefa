// A new object: its photos, where it is in them, how large it is. Sections that fill in any order.

import { useMemo, useRef, useState } from "preact/hooks";
import { api, Problem } from "../api";
import { NameSection } from "../onboard/name";
import { PhotosSection } from "../onboard/photos";
import { PlaceSection } from "../onboard/place";
import { ProfileSection } from "../onboard/profile";
import { ScaleSection } from "../onboard/scale";
import { Session, sessionOf } from "../onboard/session";
import { StartSection } from "../onboard/start";
import { useStore } from "../onboard/store";
import { useAsked } from "../parts/asking";
import { Failure, Loading } from "../parts/states";

export function NewObjectPage({ draft }: { draft?: string }) {
  const session = useMemo(() => (draft ? sessionOf(draft) : new Session()), [draft]);
  useStore(session);
  const { value: object, error, again } = useAsked(async () => (draft ? load(session, draft) : undefined), [session], 5000);
  if (!session.loaded) {
    if (!error) return <Loading what="Looking …" />;
    const gone = error instanceof Problem && error.status === 404;
    return <Failure error={error} action={gone ? { label: "Objects", href: "#/" } : { label: "Try again", onClick: again }} />;
  }
  return <Filling session={session} busy={object?.state === "onboarding"} state={object?.state ?? "draft"} />;
}

async function load(session: Session, id: string) {
  const object = await api.object(id);
  session.load(object);
  return object;
}

function Filling({ session, busy, state }: { session: Session; busy: boolean; state: string }) {
  useStore(session.queue);
  const { id, queue } = session;
  const arrived = queue.arrivals("photos") + queue.arrivals("video");
  const { value: kept = [] } = useAsked(async () => (id ? api.photos(id) : []), [id, arrived], 5000);
  const { value: videos = [] } = useAsked(async () => (id ? api.photos(id, "video") : []), [id, arrived]);
  const place = useRef<HTMLElement>(null);
  const [marked, setMarked] = useState("");
  const mark = (photo: string) => {
    setMarked(photo);
    place.current?.scrollIntoView({ block: "start" });
    place.current?.focus({ preventScroll: true });
  };
  const photos = kept.filter((photo) => photo.sha256 !== null); // frames of a video come and go with its onboarding
  return (
    <div class="onboard">
      <h1>{state === "draft" ? "New object" : session.forms.name || "Object"}</h1>
      {busy && <Busy id={id!} />}
      <NameSection session={session} />
      <PhotosSection session={session} photos={kept} videos={videos} onMark={mark} />
      <PlaceSection session={session} photos={photos} videos={videos} marked={marked} at={place} />
      <ScaleSection session={session} photos={photos} />
      <ProfileSection session={session} arrived={arrived + photos.length + videos.length} />
      <StartSection session={session} photos={photos} videos={videos} state={state} />
    </div>
  );
}

function Busy({ id }: { id: string }) {
  return (
    <p class="note" role="status">
      It is being onboarded now. What is changed here counts from the next time on; photos are taken again once it is over.{" "}
      <a href={`#/objects/${id}/watch`}>Watch it</a>
    </p>
  );
}
