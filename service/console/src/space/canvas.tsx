// A 3-D view for mouse, finger and keyboard.

import { useEffect, useRef, useState } from "preact/hooks";
import { Raycaster, Vector2 } from "three";
import { openStage, type Stage } from "./stage";
import { turn, zoom } from "./turning";

interface Props {
  /** What it shows; how to turn it is said here. */
  label: string;
  testId: string;
  /** What to say where the browser has no 3-D. */
  instead: string;
  /** With undefined when the stage is closed. */
  onStage: (stage: Stage | undefined) => void;
  onPick?: (ray: Raycaster) => void;
}

const STEP = Math.PI / 18;
const STILL_PX = 5; // a pointer that moved less has clicked
const KEYS: Record<string, (stage: Stage) => void> = {
  ArrowLeft: (stage) => turn(stage, -STEP, 0),
  ArrowRight: (stage) => turn(stage, STEP, 0),
  ArrowUp: (stage) => turn(stage, 0, STEP),
  ArrowDown: (stage) => turn(stage, 0, -STEP),
  "+": (stage) => zoom(stage, 1.15),
  "=": (stage) => zoom(stage, 1.15),
  "-": (stage) => zoom(stage, 1 / 1.15),
};

export function SpaceCanvas({ label, testId, instead, onStage, onPick }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const opened = useRef<Stage | undefined>(undefined);
  const pressed = useRef<[number, number] | undefined>(undefined);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    try {
      opened.current = openStage(canvas.current!);
    } catch {
      return setFailed(true);
    }
    onStage(opened.current);
    return () => {
      onStage(undefined);
      opened.current!.close();
    };
  }, []);
  const onKey = (event: KeyboardEvent) => {
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : KEYS[event.key];
    if (!act || !opened.current) return;
    event.preventDefault();
    act(opened.current);
  };
  const onUp = (event: PointerEvent) => {
    const [x, y] = pressed.current ?? [Infinity, Infinity];
    if (!onPick || !opened.current || Math.hypot(event.clientX - x, event.clientY - y) > STILL_PX) return;
    const { left, top, width, height } = canvas.current!.getBoundingClientRect();
    const ray = new Raycaster();
    ray.setFromCamera(new Vector2((2 * (event.clientX - left)) / width - 1, 1 - (2 * (event.clientY - top)) / height), opened.current.camera);
    onPick(ray);
  };
  if (failed) return <p class="no-3d">{`This browser shows no 3-D (WebGL). ${instead}`}</p>;
  return (
    <canvas
      ref={canvas}
      class="space"
      tabIndex={0}
      role="application"
      aria-roledescription="3-D view"
      aria-label={`${label} Arrow keys turn it, plus and minus bring it nearer or farther.`}
      data-testid={testId}
      onKeyDown={onKey}
      onPointerDown={(event) => (pressed.current = [event.clientX, event.clientY])}
      onPointerUp={onUp}
    />
  );
}
