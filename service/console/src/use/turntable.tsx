// The model to turn and to measure.

import type { BufferGeometry } from "three";
import { useEffect, useRef, useState } from "preact/hooks";
import { type ModelView, openModelView, type Showing } from "../space/model_view";

const STEP = Math.PI / 18;
const KEYS: Record<string, (view: ModelView) => void> = {
  ArrowLeft: (view) => view.turn(STEP, 0),
  ArrowRight: (view) => view.turn(-STEP, 0),
  ArrowUp: (view) => view.turn(0, STEP),
  ArrowDown: (view) => view.turn(0, -STEP),
  "+": (view) => view.zoom(1.15),
  "=": (view) => view.zoom(1.15),
  "-": (view) => view.zoom(1 / 1.15),
};
const TOOLS: [keyof Showing, string][] = [
  ["turning", "Turn"],
  ["ruler", "Size"],
  ["axes", "Axes"],
  ["wireframe", "Wireframe"],
];

/** `lengths`: along x, y and z, as they are to be written. */
export function Turntable({ geometry, lengths, name }: { geometry: BufferGeometry; lengths: readonly string[]; name: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [view, setView] = useState<ModelView | null>(null);
  const [failed, setFailed] = useState(false);
  const [showing, setShowing] = useState<Showing>({ axes: false, ruler: true, wireframe: false, turning: !stillness() });
  const dark = useDark();
  const touched = () => setShowing((before) => (before.turning ? { ...before, turning: false } : before));
  useEffect(() => {
    let opened: ModelView | undefined;
    try {
      opened = openModelView(canvas.current!, geometry, lengths, touched);
    } catch {
      setFailed(true);
    }
    setView(opened ?? null);
    return () => opened?.close();
  }, [geometry, lengths.join(), dark]);
  useEffect(() => view?.show(showing), [view, showing]);
  const onKey = (event: KeyboardEvent) => {
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : KEYS[event.key];
    if (!act || !view) return;
    event.preventDefault();
    touched();
    act(view);
  };
  if (failed) return <p class="no-3d">This browser shows no 3-D (WebGL). The numbers beside and the files below are all there is to the mesh.</p>;
  return (
    <div class="turntable">
      <canvas
        key={String(dark)}
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-roledescription="3-D model"
        aria-label={`${name}, ${lengths.join(" by ")}. Arrow keys turn it, plus and minus bring it nearer or farther.`}
        data-testid="turntable"
        onKeyDown={onKey}
      />
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

const stillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** What is drawn on a canvas does not change its colours by itself. */
export function useDark(): boolean {
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => setDark(query.matches);
    query.addEventListener("change", follow);
    return () => query.removeEventListener("change", follow);
  }, []);
  return dark;
}
