// What each source of scale wants to know.

import { useState } from "preact/hooks";
import type { ScaleForm } from "./forms";

interface Props {
  form: ScaleForm;
  onEdit: (change: Partial<ScaleForm>) => void;
}

const FAMILIES = ["tag36h11", "tag25h9", "tag16h5"];

export function MillimetreField({ label, value, testid, onInput }: { label: string; value: string; testid: string; onInput: (value: string) => void }) {
  return (
    <label class="field">
      {label}
      <span class="unit">
        <input inputMode="decimal" size={8} value={value} data-testid={testid} onInput={(event) => onInput(event.currentTarget.value)} /> mm
      </span>
    </label>
  );
}

export function TagFields({ form, onEdit }: Props) {
  return (
    <div class="row">
      <MillimetreField label="Side of the black square" value={form.sideMm} testid="tag-side" onInput={(sideMm) => onEdit({ sideMm })} />
      <label class="field">
        Family
        <select value={form.family} data-testid="tag-family" onChange={(event) => onEdit({ family: event.currentTarget.value })}>
          {FAMILIES.map((family) => <option key={family}>{family}</option>)}
        </select>
      </label>
    </div>
  );
}

export function LengthField({ label, form, onEdit }: Props & { label: string }) {
  return <MillimetreField label={label} value={form.lengthMm} testid="known-length" onInput={(lengthMm) => onEdit({ lengthMm })} />;
}

export function BoardFields({ form, onEdit }: Props) {
  const [failure, setFailure] = useState("");
  const read = async (file: File | undefined) => {
    if (!file) return;
    const board = await readLayout(file);
    setFailure(board ? "" : `${file.name} is no layout: JSON with tag numbers and their corners in mm is`);
    if (board) onEdit({ board });
  };
  return (
    <>
      <label class="field">
        Layout (JSON: each tag's number with its four corners in mm)
        <input type="file" accept=".json,application/json" data-testid="board-file" onChange={(event) => read(event.currentTarget.files?.[0])} />
      </label>
      {failure && <p class="refusal" role="alert">{failure}</p>}
      {form.board && <p data-testid="board-tags">{Object.keys(cornersOf(form.board)).length} tags of {String(form.board.family ?? "tag36h11")}</p>}
    </>
  );
}

const LARGEST_LAYOUT = 1 << 20;

/** Ids and family of it; other settings do not matter here. Undefined where it holds no tags. */
async function readLayout(file: File): Promise<Record<string, unknown> | undefined> {
  if (file.size > LARGEST_LAYOUT) return undefined;
  try {
    const layout = JSON.parse(await file.text());
    const corners = cornersOf(layout);
    return Object.keys(corners).length ? { ...(layout.family && { family: layout.family }), corners_mm: corners } : undefined;
  } catch {
    return undefined;
  }
}

function cornersOf(layout: Record<string, any>): Record<string, unknown> {
  if (layout.corners_mm) return layout.corners_mm;
  return Object.fromEntries(Object.entries(layout).filter(([key]) => /^\d+$/.test(key)));
}
