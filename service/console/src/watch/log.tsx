// What a stage writes, as it writes it.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { stageLog } from "../api";
import type { Job } from "../schema";
import { isOver } from "./following";
import type { PartProps } from "./part";
import { stageTitle } from "./words";

const MOST_LINES = 2000;
const FIRST_BYTES = 400_000; // of a long log, the end
const EVERY_MS = 1500;

export function LogPart({ job }: PartProps) {
  const [chosen, setChosen] = useState<string>();
  const [held, setHeld] = useState<string>(); // who reads further up keeps the stage when the next one begins
  const stage = chosen ?? held ?? latest(job);
  const { lines, error } = useLog(job.id, stage, !isOver(job));
  return (
    <>
      <div class="tools">
        <label class="filter">
          Stage
          <select value={chosen ?? ""} onChange={(event) => setChosen(event.currentTarget.value || undefined)} data-testid="log-stage">
            <option value="">{`the latest (${stageTitle(latest(job)).toLowerCase()})`}</option>
            {job.stages.map(({ name }) => (
              <option key={name} value={name}>
                {stageTitle(name)}
              </option>
            ))}
          </select>
        </label>
      </div>
      {error !== undefined && <p class="tone-warn">{(error as Error).message}</p>}
      <Tail
        key={stage}
        lines={lines}
        empty={isOver(job) ? "This stage wrote nothing." : "Nothing has been written yet."}
        name={stageTitle(stage)}
        onFollowing={(following) => setHeld(following ? undefined : stage)}
      />
    </>
  );
}

interface TailProps {
  lines: string[];
  /** What to say where there are none. */
  empty: string;
  name: string;
  onFollowing: (following: boolean) => void;
}

/** Stays at the end while the reader is there. */
function Tail({ lines, empty, name, onFollowing }: TailProps) {
  const box = useRef<HTMLPreElement>(null);
  const [following, setFollowing] = useState(true);
  useLayoutEffect(() => {
    if (following) box.current!.scrollTop = box.current!.scrollHeight;
  }, [lines, following]);
  const follow = (now: boolean) => {
    setFollowing(now);
    onFollowing(now);
  };
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current!;
    follow(scrollHeight - scrollTop - clientHeight < 24);
  };
  return (
    <div class="tail">
      <pre ref={box} tabIndex={0} role="region" aria-label={`Log of the stage ${name}`} onScroll={onScroll} data-testid="log">
        {lines.length ? lines.join("\n") : empty}
      </pre>
      {!following && (
        <button type="button" class="tool" onClick={() => follow(true)}>
          To the end
        </button>
      )}
      <small>{`${lines.length.toLocaleString("en")} lines${lines.length === MOST_LINES ? ", the last ones" : ""}`}</small>
    </div>
  );
}

function latest(job: Job): string {
  const begun = job.stages.filter(({ attempts }) => attempts > 0);
  return (begun.find(({ status }) => status === "running") ?? begun.at(-1) ?? job.stages[0]!).name;
}

function useLog(jobId: string, stage: string, going: boolean): { lines: string[]; error?: unknown } {
  const [state, setState] = useState<{ of: string; lines: string[]; error?: unknown }>({ of: "", lines: [] });
  const of = `${jobId} ${stage}`;
  useEffect(() => {
    let current = true;
    const reader = new LogReader(jobId, stage);
    const read = () =>
      reader.more().then(
        (lines) => current && lines && setState({ of, lines }),
        (error) => current && setState((before) => ({ ...before, of, lines: before.of === of ? before.lines : [], error })),
      );
    const loop = async () => {
      await read();
      for (; current && going; await read()) await new Promise((resume) => setTimeout(resume, EVERY_MS));
    };
    void loop();
    return () => {
      current = false;
    };
  }, [of, going]);
  return state.of === of ? state : { lines: [] };
}

class LogReader {
  private offset = -1;
  private text = "";
  private readonly decoder = new TextDecoder(); // keeps half a character for the next part

  constructor(
    private readonly jobId: string,
    private readonly stage: string,
  ) {}

  /** The last lines by now; undefined where nothing has come. */
  async more(): Promise<string[] | undefined> {
    const first = this.offset < 0;
    if (first) this.offset = Math.max(0, (await stageLog(this.jobId, this.stage, Number.MAX_SAFE_INTEGER)).size - FIRST_BYTES);
    const [cut, before] = [first && this.offset > 0, this.offset];
    for (let size = Infinity; this.offset < size;) {
      const part = await stageLog(this.jobId, this.stage, this.offset);
      if (part.text.length === 0) break;
      this.text += this.decoder.decode(part.text, { stream: true });
      [this.offset, size] = [part.next, part.size];
    }
    if (cut) this.text = this.text.slice(this.text.indexOf("\n") + 1);
    return first || this.offset > before ? this.lines() : undefined;
  }

  private lines(): string[] {
    const lines = this.text.split("\n").slice(-MOST_LINES - 1);
    this.text = lines.join("\n");
    return lines.at(-1) === "" ? lines.slice(0, -1) : lines.slice(-MOST_LINES);
  }
}
