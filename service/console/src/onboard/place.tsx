// Where the object is in the photos.

import type { RefObject } from "preact";
import type { Photo } from "../schema";
import { Choice, Choices } from "./choices";
import type { Box, PlaceForm, Px } from "./forms";
import { PhotoMarker } from "./photo_marker";
import { Section } from "./section";
import type { Session } from "./session";

interface Props {
  session: Session;
  photos: Photo[];
  videos: Photo[];
  marked: string;
  at: RefObject<HTMLElement | null>;
}

export function PlaceSection({ session, photos, videos, marked, at }: Props) {
  const form = session.forms.place;
  const edit = (change: Partial<PlaceForm>) => session.edit("place", { ...session.forms.place, ...change });
  const hint = videos.length && !photos.length ? "Of a video the frames are picked later, so nothing can be marked: film the object in the middle." : "Mark it on any one photo, or leave it at the first.";
  return (
    <Section id="place" title="Where the object is" hint={hint} problem={session.problems.place} at={at}>
      <Choices name="place" label="Where the object is" value={form.way} onChoose={(way) => edit({ way })}>
        <Choice value="seen" title="What the cameras look at">It is in the middle of most photos.</Choice>
        <Choice value="box" title="I draw a box around it">The safest where other things stand near.</Choice>
        <Choice value="point" title="I click on it">Well inside it, on what it is made of most.</Choice>
      </Choices>
      {form.way === "box" && (
        <PhotoMarker
          {...{ session, photos, photo: form.photo }}
          mode="box"
          names={["First corner", "Opposite corner"]}
          points={cornersOf(form.box)}
          wanted={marked}
          onMark={(photo, [a, b]) => edit({ photo, box: a && b ? [...a, ...b] : undefined })}
        />
      )}
      {form.way === "point" && (
        <PhotoMarker
          {...{ session, photos, photo: form.photo }}
          mode="point"
          names={["The object"]}
          points={form.point ? [form.point] : []}
          wanted={marked}
          onMark={(photo, [point]) => edit({ photo, point })}
        />
      )}
    </Section>
  );
}

function cornersOf(box: Box | undefined): Px[] {
  return box ? [[box[0], box[1]], [box[2], box[3]]] : [];
}
