// A question about an image: as it is typed, as it is asked.

export type Box = readonly [number, number, number, number];

export interface Picture {
  blob: Blob;
  name: string;
  /** What the browser made of it, or a smaller stand-in; null where it can't show such a file. Upright, as the service counts its pixels. */
  bitmap: ImageBitmap | null;
  /** Its own pixels; null where they are not known. */
  size: Size | null;
  /** Of a photo of the object's own capture: its name among the artifacts. */
  artifact: string | null;
}

export interface Size {
  width: number;
  height: number;
}

/** Fields as they stand in the form. */
export interface Typed {
  k: readonly [string, string, string, string];
  lens: string;
  box: string;
  instances: string;
  depthScale: string;
}

export interface Question {
  picture: Picture;
  depth: File | null;
  K: number[] | null;
  dist: number[] | null;
  box: Box | null;
  instances: number;
  depthScale: number;
}

export const NOTHING_TYPED: Typed = { k: ["", "", "", ""], lens: "", box: "", instances: "1", depthScale: "0.001" };

export async function openPicture(blob: Blob, name: string): Promise<Picture> {
  const bitmap = await createImageBitmap(blob).catch(() => null);
  return { blob, name, bitmap, size: bitmap && { width: bitmap.width, height: bitmap.height }, artifact: null };
}

/** The numbers of a text, whatever stands between them; null where there is anything else. */
export function numbers(text: string): number[] | null {
  const parts = text.split(/[\s,;[\]()]+/).filter(Boolean);
  const found = parts.map(Number);
  return found.every(Number.isFinite) ? found : null;
}

/** What is typed as a question, or what is wrong with it. */
export function readQuestion(picture: Picture, depth: File | null, typed: Typed): Question | string {
  const K = numbers(typed.k.join(" "));
  const dist = numbers(typed.lens);
  const box = numbers(typed.box);
  const instances = Number(typed.instances);
  const depthScale = Number(typed.depthScale);
  if (!K || ![0, 4].includes(K.length)) return "Give all four of fx, fy, cx, cy as numbers of pixels, or none of them.";
  if (!dist || ![0, 4, 5].includes(dist.length)) return "A lens has four or five numbers: k1, k2, p1, p2 and maybe k3.";
  if (dist.length && !K.length) return "A lens needs fx, fy, cx, cy too.";
  if (!box || ![0, 4].includes(box.length)) return "A box has four numbers: x0, y0, x1, y1 in pixels.";
  if (box.length && !(box[2]! > box[0]! && box[3]! > box[1]!)) return "The box has no area: x1 has to be larger than x0, y1 larger than y0.";
  if (!Number.isInteger(instances) || instances < 1 || instances > 50) return "Instances are from 1 to 50.";
  if (!(depthScale > 0)) return "The depth scale is metres per unit of the depth image: mostly 0.001.";
  return {
    picture,
    depth,
    K: K.length ? K : null,
    dist: dist.length ? dist : null,
    box: box.length ? (box as unknown as Box) : null,
    instances,
    depthScale,
  };
}

/** The form field `options`: what is not said is left to the service. */
export function optionsOf(question: Question, objectId: string): Record<string, unknown> {
  return {
    object_ids: [objectId],
    ...(question.K && { K: question.K }),
    ...(question.dist && { dist: question.dist }),
    ...(question.box && { boxes: [question.box] }),
    ...(question.instances > 1 && { max_instances: question.instances }),
    ...(question.depth && { depth_scale: question.depthScale }),
  };
}

const PATIENCE_MS = 120_000; // the first question about an object loads it; whoever has enough of waiting can stop it

export function formOf(question: Question, objectId: string): FormData {
  const form = new FormData();
  form.append("options", JSON.stringify({ ...optionsOf(question, objectId), deadline_ms: PATIENCE_MS }));
  form.append("image", question.picture.blob, question.picture.name);
  if (question.depth) form.append("depth", question.depth, question.depth.name);
  return form;
}
