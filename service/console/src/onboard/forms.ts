// What is said of a capture beside its photos: as it is typed, and as the API's options.

export type Px = [number, number];
export type Box = [number, number, number, number];

export interface PlaceForm {
  way: "seen" | "box" | "point";
  photo: string;
  box?: Box;
  point?: Px;
}

export type ScaleSource = "unknown" | "tags" | "board" | "height" | "points" | "depth";

export interface ScaleForm {
  source: ScaleSource;
  family: string;
  sideMm: string;
  lengthMm: string;
  photo: string;
  ends: Px[];
  board?: Record<string, unknown>;
  unitMm: string;
}

export interface Forms {
  name: string;
  place: PlaceForm;
  scale: ScaleForm;
  profile: string;
}

export type Section = keyof Forms;
export const SECTIONS: Section[] = ["name", "place", "scale", "profile"];
export const NO_NAME = "object";

type Options = Record<string, any>;

/** What is to be changed at the API, or what is still missing for that. */
export type Wish = { change: { name?: string; options?: Options } } | { missing: string };

export function formsOf(name: string, options: Options): Forms {
  return { name: name === NO_NAME ? "" : name, place: placeOf(options), scale: scaleOf(options), profile: options.profile ?? "standard" };
}

function placeOf({ box, point }: Options): PlaceForm {
  if (box) return { way: "box", photo: box.photo, box: box.box };
  return point ? { way: "point", photo: point.photo, point: point.point } : { way: "seen", photo: "" };
}

function scaleOf({ tags, board, depth, known_length: length }: Options): ScaleForm {
  const form: ScaleForm = { source: "unknown", family: "tag36h11", sideMm: "", lengthMm: "", photo: "", ends: [], unitMm: "1" };
  if (tags) return { ...form, source: "tags", family: tags.family ?? form.family, sideMm: inMm(tags.side_m) };
  if (board) return { ...form, source: "board", board };
  if (depth) return { ...form, source: "depth", unitMm: inMm(depth.unit_m ?? 0.001) };
  if (length?.photo) return { ...form, source: "points", lengthMm: inMm(length.length_m), photo: length.photo, ends: [length.a_px, length.b_px] };
  return length ? { ...form, source: "height", lengthMm: inMm(length.length_m) } : form;
}

const inMm = (metres: number) => String(Number((1000 * metres).toPrecision(9)));

export const wishes: { [S in Section]: (form: Forms[S]) => Wish } = {
  name: (name) => ({ change: { name: name.trim() || NO_NAME } }),
  place: placeWish,
  scale: scaleWish,
  profile: (profile) => ({ change: { options: { profile } } }),
};

function placeWish({ way, photo, box, point }: PlaceForm): Wish {
  const none = { box: null, point: null };
  if (way === "seen") return { change: { options: none } };
  if (way === "box") {
    if (!photo || !box) return { missing: "draw the box around the object, or choose what the cameras look at" };
    return { change: { options: { ...none, box: { photo, box: upright(box) } } } };
  }
  if (!photo || !point) return { missing: "click on the object, or choose what the cameras look at" };
  return { change: { options: { ...none, point: { photo, point } } } };
}

/** Whichever two corners were given: the upper left one first. */
const upright = ([x0, y0, x1, y1]: Box): Box => [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];

function scaleWish(form: ScaleForm): Wish {
  const given = source(form);
  if (typeof given === "string") return { missing: given };
  return { change: { options: { tags: null, board: null, depth: null, known_length: null, ...given } } };
}

/** The option, or what is missing for it. */
function source({ source, family, sideMm, lengthMm, photo, ends, board, unitMm }: ScaleForm): Options | string {
  const length_m = metres(lengthMm);
  switch (source) {
    case "unknown":
      return {};
    case "tags":
      return metres(sideMm) ? { tags: { family, side_m: metres(sideMm) } } : "say how long the side of a tag is";
    case "board":
      return board ? { board } : "choose the layout file of the board";
    case "depth":
      return metres(unitMm) ? { depth: { unit_m: metres(unitMm) } } : "say how many millimetres one unit of the depth frames is";
    case "height":
      return length_m ? { known_length: { length_m } } : "say how high the object is";
    case "points":
      if (!photo || ends.length < 2) return "click on both ends of the length that you know";
      return length_m ? { known_length: { length_m, photo, a_px: ends[0], b_px: ends[1] } } : "say how long it is between the two points";
  }
}

/** Undefined for what is no length. A comma is a point to half of the world. */
function metres(typedMm: string): number | undefined {
  const mm = Number(typedMm.replace(",", "."));
  return Number.isFinite(mm) && mm > 0 ? mm / 1000 : undefined;
}
