// The object's own measured accuracy, and what its score is worth.

import type { Accuracy, Kind, ReliabilityBin, Statistics } from "./documents";
import { percent } from "./lengths";

const KINDS: [Kind, string][] = [
  ["box", "With a box"],
  ["search", "Whole photo"],
  ["hidden", "Partly hidden"],
];

export function AccuracySection({ accuracy, metric }: { accuracy: Accuracy; metric: boolean }) {
  return (
    <section class="card" aria-labelledby="accuracy">
      <h2 id="accuracy">Accuracy on held-out photos</h2>
      <div class="accuracy">
        <div>
          <Recall accuracy={accuracy} metric={metric} />
          <p class="faint">
            Recall: the share of photos whose pose is off by less than that part of the object's diameter d (ADD). Errors are medians of what was
            answered; answers with a score below {accuracy.min_score} are withheld.
            {accuracy.false_positive_rate !== null &&
              ` In ${accuracy.without_object} pictures without the object, ${percent(accuracy.false_positive_rate)} had an answer.`}
          </p>
        </div>
        <Reliability bins={accuracy.reliability} />
      </div>
    </section>
  );
}

function Recall({ accuracy, metric }: { accuracy: Accuracy; metric: boolean }) {
  const rows = KINDS.flatMap(([kind, name]) => (accuracy[kind] ? [{ name, ...accuracy[kind] }] : []));
  return (
    <div class="scrolled" tabIndex={0} role="region" aria-label="Recall and errors">
      <table data-testid="accuracy">
        <thead>
          <tr>
            <th scope="col">Question</th>
            <th scope="col">Photos</th>
            <th scope="col">0.10 d</th>
            <th scope="col">0.05 d</th>
            <th scope="col">0.02 d</th>
            <th scope="col">Error</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.name}>
              <th scope="row">{row.name}</th>
              <td>{row.photos}</td>
              <td>{percent(row.recall_0_10d)}</td>
              <td>{percent(row.recall_0_05d)}</td>
              <td>{percent(row.recall_0_02d)}</td>
              <td>{medians(row, metric)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function medians(row: Statistics, metric: boolean): string {
  if (row.median_deg === undefined) return "none answered";
  const moved = metric && row.median_mm !== undefined ? `${row.median_mm.toFixed(1)} mm` : `${(row.median_add_over_d ?? 0).toFixed(3)} d`;
  return `${moved}, ${row.median_deg.toFixed(1)}°`;
}

const [SIZE, LEFT, TOP] = [200, 40, 8];

/** Of answers with about one score, how many were right. Where the score is honest, dots lie on the diagonal. */
function Reliability({ bins }: { bins: ReliabilityBin[] }) {
  const filled = bins.filter((bin) => bin.score !== null && bin.right !== null) as (ReliabilityBin & { score: number; right: number })[];
  if (!filled.length) return null;
  const [x, y] = [(value: number) => LEFT + SIZE * value, (value: number) => TOP + SIZE * (1 - value)];
  const most = Math.max(...filled.map((bin) => bin.answers));
  const spoken = filled.map((bin) => `of ${bin.answers} with a score around ${bin.score.toFixed(2)}, ${percent(bin.right)} right`).join("; ");
  return (
    <figure class="reliability">
      <svg viewBox={`0 0 ${LEFT + SIZE + 16} ${TOP + SIZE + 40}`} role="img" aria-label={`Reliability of the score: ${spoken}.`} data-testid="reliability">
        {[0, 0.5, 1].map((tick) => (
          <g key={tick} class="tick">
            <line x1={x(tick)} x2={x(tick)} y1={y(0)} y2={y(1)} />
            <line x1={x(0)} x2={x(1)} y1={y(tick)} y2={y(tick)} />
            <text x={x(tick)} y={y(0) + 16} text-anchor="middle">{tick}</text>
            <text x={x(0) - 6} y={y(tick) + 4} text-anchor="end">{tick}</text>
          </g>
        ))}
        <line class="honest" x1={x(0)} y1={y(0)} x2={x(1)} y2={y(1)} />
        {filled.map((bin) => (
          <circle key={bin.low} cx={x(bin.score)} cy={y(bin.right)} r={3 + 5 * Math.sqrt(bin.answers / most)} />
        ))}
        <text x={x(0.5)} y={y(0) + 34} text-anchor="middle">score</text>
        <text x={-y(0.5)} y={12} text-anchor="middle" transform="rotate(-90)">share right</text>
      </svg>
      <figcaption class="faint">
        What a score is worth: dots on the line keep what the score promises; larger ones stand for more answers.
        <details>
          <summary>As numbers</summary>
          <ul>{filled.map((bin) => <li key={bin.low}>score {bin.score.toFixed(2)}: {percent(bin.right)} of {bin.answers} right</li>)}</ul>
        </details>
      </figcaption>
    </figure>
  );
}
