// A pose as numbers, and how it was found.

import type { Estimate, Pose } from "../schema";
import { CopyButton } from "../parts/copying";

const SOURCES: Record<Estimate["K_source"], string> = {
  given: "the camera as given",
  exif: "the focal length from EXIF: the score is a tenth lower. Give fx, fy, cx, cy",
  guessed: "a guessed camera: the score is half of what it would be, and the distance is off. Give fx, fy, cx, cy",
};

export function PoseNumbers({ answer, pose }: { answer: Estimate; pose: Pose }) {
  const { units, K, K_source } = answer;
  const taken = { frame: "opencv", units, K, K_source, object_id: pose.object_id, score: pose.score, R: pose.R, t: pose.t, quat_xyzw: pose.quat_xyzw };
  return (
    <div class="numbers" data-testid="pose-numbers">
      <dl class="facts">
        <div>
          <dt>t</dt>
          <dd><code>{pose.t.map((value) => value.toFixed(4)).join("  ")}</code> {units === "m" ? "m" : "units of the mesh"}</dd>
        </div>
        <div>
          <dt>R</dt>
          <dd><code class="matrix">{[0, 3, 6].map((row) => pose.R.slice(row, row + 3).map(signed).join(" ")).join("\n")}</code></dd>
        </div>
        <div>
          <dt>Quaternion</dt>
          <dd><code>{pose.quat_xyzw.map((value) => value.toFixed(4)).join("  ")}</code><small>x, y, z, w</small></dd>
        </div>
      </dl>
      <dl class="facts">
        <div>
          <dt>Frame</dt>
          <dd>Camera from object: x right, y down, z forward</dd>
        </div>
        {(pose.symmetry === "discrete" || pose.symmetry === "continuous") && (
          <div>
            <dt>Symmetry</dt>
            <dd>One of {pose.symmetry === "discrete" ? "several" : "endlessly many"} poses that look the same: always this one is answered</dd>
          </div>
        )}
        <div>
          <dt>Camera</dt>
          <dd data-testid="k-source">By {SOURCES[K_source]}</dd>
        </div>
        {pose.depth_factor !== null && (
          <div>
            <dt>Depth</dt>
            <dd data-testid="depth-factor">{depthInWords(pose.depth_factor)}</dd>
          </div>
        )}
        <div>
          <dt>Time</dt>
          <dd data-testid="timing">{timeInWords(answer)}</dd>
        </div>
      </dl>
      <div class="tools">
        <CopyButton text={JSON.stringify(taken, null, 1)} label="Copy as JSON" what="(this pose)" />
      </div>
    </div>
  );
}

/** How long it took, and with what. */
export function timeInWords({ timing_ms: { total = 0, load = 0 }, networks, backend, device }: Estimate): string {
  const loading = load > 500 ? `, ${seconds(load)} of it to load the object` : "";
  return `${seconds(total)} at the worker${loading}; ${backend} rasterizer, ${networks === "early" ? "first " : ""}networks on ${device}`;
}

function depthInWords(factor: number): string {
  if (factor === 1) return "As the depth image has it";
  const off = `${Math.abs(100 * (factor - 1)).toFixed(1)} % too ${factor > 1 ? "far" : "near"}`;
  return `By the object's print the depth image has it ${off}: its shape alone counted. Is its scale right, is the object's size?`;
}

const signed = (value: number) => value.toFixed(4).padStart(7);
const seconds = (ms: number) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
