// The answer to a question: poses over the image, the render alone, and the numbers.

import type { BufferGeometry } from "three";
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import type { Estimate, Pose } from "../schema";
import { type Look, LOOKS, openOverlay, type Overlay } from "../space/overlay";
import { cropped, type Pinhole, pinhole } from "../space/pinhole";
import { Layers, type Part } from "./layers";
import { PoseNumbers } from "./numbers";
import { PoseAxes, PoseBox } from "./pose_lines";
import type { Question } from "./question";

interface Given {
  question: Question;
  answer: Estimate;
  geometry: BufferGeometry | null;
  display: Display;
}

export function Answer({ onDisplay, ...given }: Given & { onDisplay: (change: Partial<Display>) => void }) {
  const { question, answer, display } = given;
  const [chosen, setChosen] = useState(0);
  const pose = answer.poses[Math.min(chosen, answer.poses.length - 1)]!;
  const [height, width] = pose.mask_rle.size;
  const camera = useMemo(() => pinhole(width, height, answer.K, question.dist ?? []), [answer, question]);
  return (
    <div class="answer" data-testid="answer">
      <DisplayTools display={display} onDisplay={onDisplay} />
      <PosePictures {...given} pose={pose} camera={camera} />
      {answer.poses.length > 1 && <Instances poses={answer.poses} units={answer.units} chosen={chosen} onChoose={setChosen} />}
      <PoseNumbers answer={answer} pose={pose} />
    </div>
  );
}

/** What is drawn over the image, and how. */
export interface Display {
  look: Look;
  opacity: number;
  box: boolean;
  axes: boolean;
  near: boolean;
}

export const USUAL: Display = { look: "wireframe", opacity: 0.8, box: false, axes: true, near: false };

const WORDS: Record<Look, string> = { solid: "Solid", wireframe: "Wireframe", outline: "Outline" };
const MARKS = { box: "Box", axes: "Axes", near: "Zoom in" } as const;

function DisplayTools({ display, onDisplay }: { display: Display; onDisplay: (change: Partial<Display>) => void }) {
  return (
    <div class="tools" role="group" aria-label="What is drawn over the image">
      {LOOKS.map((look) => (
        <button key={look} type="button" class="tool" aria-pressed={display.look === look} onClick={() => onDisplay({ look })}>{WORDS[look]}</button>
      ))}
      <span class="apart" />
      {(Object.keys(MARKS) as (keyof typeof MARKS)[]).map((mark) => (
        <button key={mark} type="button" class="tool" aria-pressed={display[mark]} onClick={() => onDisplay({ [mark]: !display[mark] })}>{MARKS[mark]}</button>
      ))}
      <label class="slider">
        Opacity
        <input type="range" min="0" max="1" step="0.05" value={display.opacity} onInput={(event) => onDisplay({ opacity: Number(event.currentTarget.value) })} />
      </label>
    </div>
  );
}

function PosePictures({ question, answer, pose, camera, geometry, display }: Given & { pose: Pose; camera: Pinhole }) {
  const overlay = useOverlay(geometry);
  const part = display.near ? around(pose, camera) : { x0: 0, y0: 0, width: camera.width, height: camera.height };
  const seen = cropped(camera, part.x0, part.y0, part.width, part.height);
  const [over, alone] = [usePainter(overlay, seen, pose, display.look), usePainter(overlay, seen, pose, "solid")];
  const { bitmap, name } = question.picture;
  return (
    <div class="pair">
      <figure>
        <Layers
          part={part} photo={bitmap} imageWidth={camera.width} paint={over} opacity={display.opacity} testid="overlay"
          label={`${name} with the object in its pose, score ${pose.score.toFixed(2)}`}
        >
          {answer.poses.filter((one) => one !== pose).map((one, i) => <Bounds key={i} pose={one} />)}
          <Score pose={pose} part={part} />
          {display.box && geometry && <PoseBox camera={camera} pose={pose} box={geometry.boundingBox!} />}
          {display.axes && geometry && <PoseAxes camera={camera} pose={pose} length={0.75 * geometry.boundingSphere!.radius} />}
        </Layers>
        <figcaption>
          {name}: score <strong>{pose.score.toFixed(2)}</strong>
          {!bitmap && " (this browser can't show such a file; the answer is right all the same)"}
        </figcaption>
      </figure>
      <figure>
        <Layers part={part} imageWidth={camera.width} paint={alone} label="The mesh alone, rendered in this pose" testid="render" />
        <figcaption>The mesh in this pose{!geometry && ": it could not be loaded"}</figcaption>
      </figure>
    </div>
  );
}

/** The same function as long as it draws the same. */
function usePainter(overlay: Overlay | null, camera: Pinhole, pose: Pose, look: Look) {
  const { lens, ...numbers } = camera;
  return useCallback((canvas: HTMLCanvasElement) => overlay?.draw(canvas, camera, pose, look), [overlay, pose, look, lens, ...Object.values(numbers)]);
}

function useOverlay(geometry: BufferGeometry | null): Overlay | null {
  const [overlay, setOverlay] = useState<Overlay | null>(null);
  useEffect(() => {
    if (!geometry) return;
    let opened: Overlay | null = null;
    try {
      opened = openOverlay(geometry);
    } catch {
      // without WebGL there are still box, axes and numbers
    }
    setOverlay(opened);
    return () => opened?.close();
  }, [geometry]);
  return overlay;
}

/** A part of the image around the object, of the image's own shape. */
function around({ bbox_xywh: [x, y, w, h] }: Pose, { width, height }: Pinhole): Part {
  const share = Math.min(1, Math.max(w / width, h / height) * 1.5);
  const [partWidth, partHeight] = [Math.round(width * share), Math.round(height * share)];
  const start = (middle: number, size: number, whole: number) => Math.round(Math.min(Math.max(middle - size / 2, 0), whole - size));
  return { x0: start(x + w / 2, partWidth, width), y0: start(y + h / 2, partHeight, height), width: partWidth, height: partHeight };
}

function Score({ pose: { bbox_xywh: [x, y], score }, part }: { pose: Pose; part: Part }) {
  const size = part.width / 28;
  return (
    <g class="pose-score">
      <text x={Math.max(x, part.x0 + size / 2)} y={Math.max(y - size / 2, part.y0 + size)} font-size={size}>{score.toFixed(2)}</text>
    </g>
  );
}

function Bounds({ pose: { bbox_xywh: [x, y, width, height] } }: { pose: Pose }) {
  return <rect class="bounds" x={x} y={y} width={width} height={height} />;
}

function Instances({ poses, units, chosen, onChoose }: { poses: Pose[]; units: Estimate["units"]; chosen: number; onChoose: (i: number) => void }) {
  return (
    <div class="tools" role="group" aria-label="Instances that were found" data-testid="instances">
      {poses.map((pose, i) => (
        <button key={i} type="button" class="tool" aria-pressed={i === chosen} onClick={() => onChoose(i)}>
          {i + 1}: score {pose.score.toFixed(2)}, {units === "m" ? `${pose.t[2].toFixed(2)} m away` : `${pose.t[2].toPrecision(3)} away`}
        </button>
      ))}
    </div>
  );
}
