// Depth frames beside the photos.

import { api } from "../api";
import { useAsked } from "../parts/asking";
import type { Photo } from "../schema";
import type { ScaleForm } from "./forms";
import { MillimetreField } from "./scale_fields";
import type { Session } from "./session";
import { useStore } from "./store";

interface Props {
  session: Session;
  photos: Photo[];
  form: ScaleForm;
  onEdit: (change: Partial<ScaleForm>) => void;
}

export function DepthFields({ session, photos, form, onEdit }: Props) {
  useStore(session.queue);
  const { id } = session;
  const { value: frames = [] } = useAsked(async () => (id ? api.photos(id, "depth") : []), [id, session.queue.arrivals("depth")]);
  const choose = (files: FileList | null) => session.queue.add([...(files ?? [])].map((file) => ({ file, kind: "depth" })));
  const named = new Set(photos.map((photo) => photo.photo));
  const stray = frames.filter((frame) => !named.has(frame.photo));
  return (
    <>
      <MillimetreField label="One unit of a depth frame" value={form.unitMm} testid="depth-unit" onInput={(unitMm) => onEdit({ unitMm })} />
      <label class="field">
        16-bit PNGs, named like their photos
        <input type="file" multiple accept="image/png" data-testid="depth-input" onChange={(event) => choose(event.currentTarget.files)} />
      </label>
      <p role="status">{frames.length ? `${frames.length} depth frames have arrived.` : "No depth frames yet."}</p>
      {stray.length > 0 && <p class="refusal" role="alert">{stray[0]!.photo} belongs to no photo: give it the name of its photo.</p>}
    </>
  );
}
