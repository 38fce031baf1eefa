// A loss curve: steps along, the loss upwards by powers of ten.

import { useEffect, useRef, useState } from "preact/hooks";
import { count, type Curve, curveInWords, logTicks, significant, stepTicks } from "./curve";

const HEIGHT = 240;
const [LEFT, RIGHT, TOP, BOTTOM] = [56, 26, 10, 44];

export function CurveChart({ curve }: { curve: Curve }) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  return (
    <div ref={box} class="chart">
      {width > 0 && <Plot curve={curve} width={width} />}
      <p data-testid="curve-words">{curveInWords(curve)}</p>
    </div>
  );
}

function Plot({ curve: { points, steps }, width }: { curve: Curve; width: number }) {
  const now = points.at(-1)!;
  const losses = points.map(({ loss }) => loss);
  const [low, high] = [Math.min(...losses) / 1.15, Math.max(...losses) * 1.15];
  const end = Math.max(steps, now.step, 1);
  const x = (step: number) => LEFT + ((width - LEFT - RIGHT) * step) / end;
  const y = (loss: number) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - Math.log(loss / low) / Math.log(high / low));
  return (
    <svg width={width} height={HEIGHT} viewBox={`0 0 ${width} ${HEIGHT}`} aria-hidden="true" data-testid="curve">
      {logTicks(low, high).map((loss) => (
        <g key={loss}>
          <line class="grid" x1={LEFT} x2={width - RIGHT} y1={y(loss)} y2={y(loss)} />
          <text x={LEFT - 8} y={y(loss) + 4} text-anchor="end">{significant(loss)}</text>
        </g>
      ))}
      {stepTicks(end, width < 480 ? 4 : 8).map((step) => (
        <text key={step} x={x(step)} y={HEIGHT - BOTTOM + 18} text-anchor="middle">{count(step)}</text>
      ))}
      <line class="axis" x1={LEFT} x2={width - RIGHT} y1={HEIGHT - BOTTOM} y2={HEIGHT - BOTTOM} />
      <text class="axis-name" x={(LEFT + width - RIGHT) / 2} y={HEIGHT - 6} text-anchor="middle">training step</text>
      <text class="axis-name" transform={`translate(12 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)`} text-anchor="middle">loss, log scale</text>
      <polyline points={points.map(({ step, loss }) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`).join(" ")} />
      <circle cx={x(now.step)} cy={y(now.loss)} r="3.5" />
    </svg>
  );
}

function useWidth(box: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);
  return width;
}
