// How the image was taken, and where to look in it.

import { typedLens } from "./composing";
import { numbers, type Picture, type Typed } from "./question";
import type { PhotoLens } from "./documents";

interface Given {
  picture: Picture;
  depth: File | null;
  typed: Typed;
  /** Of the object's own photos. */
  lens: PhotoLens | null;
  problem: string;
  busy: boolean;
  onType: (change: Partial<Typed>) => void;
  onAsk: () => void;
}

const CAMERA = ["fx", "fy", "cx", "cy"] as const;

export function QuestionForm({ picture, depth, typed, lens, problem, busy, onType, onAsk }: Given) {
  const submit = (event: Event) => {
    event.preventDefault();
    onAsk();
  };
  return (
    <form class="question" onSubmit={submit} noValidate data-testid="question">
      <fieldset>
        <legend>Camera, in pixels of this image</legend>
        <div class="fields">
          {CAMERA.map((name, i) => (
            <Field key={name} name={name} label={name} value={typed.k[i]!} onType={(text) => onType({ k: withNumber(typed.k, i, text) })} />
          ))}
          <Field name="lens" label="Lens: k1, k2, p1, p2, k3" class="wide" value={typed.lens} onType={(text) => onType({ lens: text })} />
        </div>
        <p class="faint">
          Left empty, the focal length comes from EXIF or is a guess, and the score says so.{" "}
          {lens && fits(lens, picture) && (
            <button type="button" class="link" onClick={() => onType(typedLens(lens))}>Use the camera of this object's photos</button>
          )}
        </p>
      </fieldset>
      <div class="fields">
        <Field name="box" label="Box: x0, y0, x1, y1" class="wide" value={typed.box} placeholder="whole image" onType={(text) => onType({ box: text })} />
        <Field name="instances" label="Find up to" value={typed.instances} onType={(text) => onType({ instances: text })} />
        {depth && <Field name="depth_scale" label="Depth, m / unit" value={typed.depthScale} onType={(text) => onType({ depthScale: text })} />}
      </div>
      {problem && <p class="problem" role="alert">{problem}</p>}
      <button disabled={busy} data-testid="ask">Find the object</button>
    </form>
  );
}

interface FieldGiven {
  name: string;
  label: string;
  value: string;
  class?: string;
  placeholder?: string;
  onType: (text: string) => void;
}

function Field({ name, label, value, class: kind = "", placeholder, onType }: FieldGiven) {
  return (
    <label class={`field ${kind}`}>
      <span>{label}</span>
      <input
        inputMode="decimal"
        autocomplete="off"
        spellcheck={false}
        name={name}
        value={value}
        placeholder={placeholder}
        onInput={(event) => onType(event.currentTarget.value)}
      />
    </label>
  );
}

/** All of fx, fy, cx, cy, or the nine numbers of K, may be pasted into any one of them. */
function withNumber(k: Typed["k"], i: number, text: string): Typed["k"] {
  const pasted = numbers(text) ?? [];
  const four = pasted.length === 9 ? [pasted[0], pasted[4], pasted[2], pasted[5]] : pasted;
  if (four.length === 4) return four.map(String) as unknown as Typed["k"];
  return k.map((old, at) => (at === i ? text : old)) as unknown as Typed["k"];
}

function fits({ camera }: PhotoLens, { size }: Picture): boolean {
  return size?.width === camera.width && size.height === camera.height;
}
