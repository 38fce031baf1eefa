// One photo of the draft, to be chosen and marked.

import { useEffect, useState } from "preact/hooks";
import { imagePath } from "../api";
import { usePicture } from "../parts/picture";
import type { Photo } from "../schema";
import type { Px } from "./forms";
import { useFileUrl } from "./local_pictures";
import { Marker } from "./marker";
import type { Mode } from "./marks";
import type { Session } from "./session";

interface Props {
  session: Session;
  photos: Photo[];
  mode: Mode;
  names: string[];
  /** Of these points, as far as there are any. */
  photo: string;
  points: Px[];
  /** To be shown now, whatever is marked. */
  wanted?: string;
  onMark: (photo: string, points: Px[]) => void;
}

/** Looking through the photos changes nothing: only a mark on another one takes the place of the last. */
export function PhotoMarker({ session, photos, mode, names, photo, points, wanted, onMark }: Props) {
  const known = photos.map((one) => one.photo);
  const own = known.find((name) => name === photo.replace(/\.\w+$/, "") || name === photo);
  const [chosen, setChosen] = useState("");
  useEffect(() => setChosen(wanted ?? ""), [wanted]);
  const shown = [chosen, own, known[Math.floor(known.length / 2)]].find((name) => name && known.includes(name));
  if (!shown) return <p class="faint">Send photos first; any one of them will do.</p>;
  const index = known.indexOf(shown);
  return (
    <>
      <div class="row picker">
        <button type="button" class="quiet" disabled={index === 0} aria-label="Previous photo" onClick={() => setChosen(known[index - 1]!)}>←</button>
        <label>
          <span class="unseen">Photo</span>
          <select value={shown} data-testid="marked-photo" onChange={(event) => setChosen(event.currentTarget.value)}>
            {known.map((name) => <option key={name} value={name}>{name === own && points.length ? `${name} (marked)` : name}</option>)}
          </select>
        </label>
        <button type="button" class="quiet" disabled={index === known.length - 1} aria-label="Next photo" onClick={() => setChosen(known[index + 1]!)}>→</button>
      </div>
      <Marked key={shown} session={session} photo={shown} mode={mode} names={names} points={shown === own ? points : []} onPoints={(now) => onMark(shown, now)} />
    </>
  );
}

interface MarkedProps {
  session: Session;
  photo: string;
  mode: Mode;
  names: string[];
  points: Px[];
  onPoints: (points: Px[]) => void;
}

/** From the file at hand; where the browser can't read that, or has it no more, as the service keeps it. Both have the same pixels. */
function Marked({ session, photo, mode, names, points, onPoints }: MarkedProps) {
  const [unreadable, setUnreadable] = useState(false);
  const file = unreadable ? undefined : session.fileOf(photo)?.file;
  const here = useFileUrl(file);
  const kept = usePicture(!file && session.id ? imagePath(session.id, photo, "photos") : null);
  const url = file ? here : kept.url;
  if (!url) return kept.state === "waiting" ? <p class="faint" role="status">Loading {photo} …</p> : <p class="faint">{photo} can't be shown here. Choose another photo.</p>;
  return <Marker url={url} alt={`Photo ${photo}`} onBroken={() => setUnreadable(true)} {...{ mode, names, points, onPoints }} />;
}
