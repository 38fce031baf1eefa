// How the upload goes on the whole, and what did not work of it.

import type { Problem } from "../api";
import type { Item, UploadQueue } from "./queue";
import { Refusal } from "./section";
import { counted, megabytes } from "./words";

export function Upload({ queue }: { queue: UploadQueue }) {
  if (!queue.items.length) return null;
  const items = queue.items.filter((item) => item.state !== "failed");
  const [bytes, sent] = [total(items, (item) => item.file.size), total(items, (item) => item.sent)];
  const [arrived, there] = [countOf(items, "arrived"), countOf(items, "there")];
  const waitedFor = items.find((item) => item.state === "pausing")?.problem;
  return (
    <div class="upload" data-testid="upload" data-underway={queue.underway()}>
      {queue.underway() > 0 && <progress max={bytes || 1} value={sent} aria-label="Upload" />}
      <p role="status" class="faint">
        {arrived + there} of {counted(items.length, "file")}{there > 0 && ` (${there} had arrived before)`} · {megabytes(sent)} of {megabytes(bytes)}
      </p>
      {waitedFor && <Waiting problem={waitedFor} />}
      <Failures queue={queue} items={queue.items.filter((item) => item.state === "failed")} />
    </div>
  );
}

function Waiting({ problem }: { problem: Problem }) {
  return (
    <p class="refusal waiting" role="status" data-testid="upload-waiting">
      Paused: {problem.what}. It goes on by itself; nothing is lost.
    </p>
  );
}

function Failures({ queue, items }: { queue: UploadQueue; items: Item[] }) {
  if (!items.length) return null;
  return (
    <>
      <ul class="failures">
        {items.map((item) => (
          <li key={item.key} data-testid="upload-failed">
            {!item.problem?.what.includes(item.file.name) && <strong>{item.file.name}: </strong>}
            <Refusal problem={item.problem} />
          </li>
        ))}
      </ul>
      <button type="button" class="quiet" onClick={() => items.forEach((item) => queue.again(item))}>Try {items.length === 1 ? "it" : "them"} again</button>
    </>
  );
}

const countOf = (items: Item[], state: Item["state"]) => items.filter((item) => item.state === state).length;

const total = (items: Item[], of: (item: Item) => number) => items.reduce((sum, item) => sum + of(item), 0);
