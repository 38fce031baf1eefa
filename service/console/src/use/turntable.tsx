// The model to turn and to measure.

import type { BufferGeometry } from "three";
import { useEffect, useRef, useState } from "preact/hooks";
import { SpaceCanvas } from "../space/canvas";
import { type ModelView, placeModel, type Showing } from "../space/model_view";
import type { Stage } from "../space/stage";

const TOOLS: [keyof Showing, string][] = [
  ["turning", "Turn"],
  ["ruler", "Size"],
  ["axes", "Axes"],
  ["wireframe", "Wireframe"],
];

/** `lengths`: along x, y and z, as they are to be written. */
export function Turntable({ geometry, lengths, name }: { geometry: BufferGeometry; lengths: readonly string[]; name: string }) {
  const frame = useRef<HTMLDivElement>(null);
  const [stage, setStage] = useState<Stage>();
  const [view, setView] = useState<ModelView | null>(null);
  const [showing, setShowing] = useState<Showing>({ axes: false, ruler: true, wireframe: false, turning: !stillness() });
  const dark = useDark();
  const hold = () => setShowing((before) => (before.turning ? { ...before, turning: false } : before));
  useEffect(() => {
    const canvas = frame.current?.querySelector("canvas");
    if (!stage || !canvas) return;
    const placed = placeModel(stage, canvas, geometry, lengths);
    setView(placed);
    return placed.close;
  }, [stage, geometry, lengths.join(), dark]);
  useEffect(() => view?.show(showing), [view, showing]);
  useEffect(() => {
    const canvas = frame.current?.querySelector("canvas");
    if (stage && canvas) return letThePageScroll(canvas, stage);
  }, [stage]);
  return (
    <div class="turntable">
      <div ref={frame} onPointerDown={hold} onKeyDown={(event) => /^(Arrow.*|[-+=])$/.test(event.key) && hold()}>
        <SpaceCanvas
          label={`${name}, ${lengths.join(" by ")}.`}
          testId="turntable"
          instead="The numbers beside and the files below are all there is to the mesh."
          onStage={setStage}
        />
      </div>
      <div class="tools" role="group" aria-label="The model">
        {TOOLS.map(([tool, label]) => (
          <button key={tool} type="button" class="tool" aria-pressed={showing[tool]} onClick={() => setShowing((before) => ({ ...before, [tool]: !before[tool] }))}>
            {label}
          </button>
        ))}
      </div>
    </div>
  );
}

/** A wheel scrolls the page until the model has been clicked; a finger that goes up or down scrolls it always. */
function letThePageScroll(canvas: HTMLCanvasElement, { controls }: Stage): () => void {
  const [seize, release] = [() => (controls.enableZoom = true), () => (controls.enableZoom = false)];
  canvas.style.touchAction = "pan-y";
  release();
  canvas.addEventListener("pointerdown", seize, { capture: true });
  canvas.addEventListener("blur", release);
  return () => {
    canvas.removeEventListener("pointerdown", seize, { capture: true });
    canvas.removeEventListener("blur", release);
  };
}

const stillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** What is drawn on a canvas does not change its colours by itself. */
function useDark(): boolean {
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => setDark(query.matches);
    query.addEventListener("change", follow);
    return () => query.removeEventListener("change", follow);
  }, []);
  return dark;
}
