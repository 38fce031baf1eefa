// How large the object is: what the metres come from.

import type { Photo } from "../schema";
import { Choice, Choices } from "./choices";
import { DepthFields } from "./depth";
import type { ScaleForm } from "./forms";
import { PhotoMarker } from "./photo_marker";
import { BoardFields, LengthField, TagFields } from "./scale_fields";
import { Section } from "./section";
import type { Session } from "./session";

export function ScaleSection({ session, photos }: { session: Session; photos: Photo[] }) {
  const form = session.forms.scale;
  const edit = (change: Partial<ScaleForm>) => session.edit("scale", { ...session.forms.scale, ...change });
  const missing = session.missing("scale");
  return (
    <Section id="scale" title="How large it is" hint="One of these gives poses in metres." problem={session.problems.scale}>
      <Choices name="scale" label="How large it is" value={form.source} onChoose={(source) => edit({ source })}>
        <Choice value="unknown" title="I don't know">Poses will be in units of the mesh.</Choice>
        <Choice value="tags" title="Printed tags">Loose AprilTags of one size, beside the object.</Choice>
        <Choice value="board" title="A printed board">Several tags on one sheet, whose layout is known.</Choice>
        <Choice value="points" title="A length on it">Between two points, clicked on one photo.</Choice>
        <Choice value="height" title="Its height">From what it stands on to its highest point.</Choice>
        <Choice value="depth" title="Depth frames">From a depth camera, registered to the photos.</Choice>
      </Choices>
      <div class="fields">
        {form.source === "tags" && <TagFields form={form} onEdit={edit} />}
        {form.source === "board" && <BoardFields form={form} onEdit={edit} />}
        {form.source === "depth" && <DepthFields session={session} photos={photos} form={form} onEdit={edit} />}
        {(form.source === "height" || form.source === "points") && (
          <LengthField label={form.source === "height" ? "Height" : "Length between the points"} form={form} onEdit={edit} />
        )}
        {form.source === "points" && (
          <PhotoMarker
            {...{ session, photos, photo: form.photo }}
            mode="ends"
            names={["One end", "Other end"]}
            points={form.ends}
            onMark={(photo, ends) => edit({ photo, ends })}
          />
        )}
        {missing && <p class="faint" data-testid="scale-missing">Still to do: {missing}.</p>}
      </div>
    </Section>
  );
}
