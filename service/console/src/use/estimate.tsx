// An image in, the object's poses out.

import type { BufferGeometry } from "three";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Artifact } from "../schema";
import { Code } from "../parts/copying";
import { Answer, USUAL } from "./answer";
import { type Asked, useAskedPoses } from "./asking_poses";
import { BoxDrawing } from "./box_drawing";
import { useComposing } from "./composing";
import type { Documents } from "./documents";
import { ImageChoice } from "./image_choice";
import { Asking, NotAnswered, NotFound } from "./no_answer";
import { QuestionForm } from "./question_form";
import { curlLines, pythonLines } from "./snippets";

interface Given {
  id: string;
  documents: Documents;
  artifacts: Artifact[];
  geometry: BufferGeometry | null;
}

export function EstimateSection({ id, documents, artifacts, geometry }: Given) {
  const { asked, ask, stop } = useAskedPoses(id);
  const composing = useComposing(id, documents.lenses, ask, stop);
  const { picture, depth, typed, problem, type } = composing;
  const [display, setDisplay] = useState(USUAL);
  const results = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (asked.state === "answered" || asked.state === "failed") results.current?.scrollIntoView({ block: "nearest" });
  }, [asked]);
  return (
    <section class="card estimate" aria-labelledby="estimate">
      <h2 id="estimate">Find it in an image</h2>
      <ImageChoice
        id={id} picture={picture} depth={depth} examples={examples(documents, artifacts)}
        onFile={composing.chooseFile} onDepth={composing.setDepth} onExample={composing.chooseExample}
      />
      {!picture && problem && <p class="problem" role="alert">{problem}</p>}
      {picture && (
        <div class="asking">
          {picture.bitmap && picture.size ? (
            <BoxDrawing bitmap={picture.bitmap} size={picture.size} name={picture.name} box={typed.box} onBox={(box) => type({ box })} />
          ) : (
            <p class="faint">This browser can't show {picture.name}. The service may read it all the same: ask, and the mesh is drawn without the photo.</p>
          )}
          <QuestionForm
            picture={picture} depth={depth} typed={typed} lens={Object.values(documents.lenses ?? {})[0] ?? null} problem={problem}
            busy={asked.state === "asking"} onType={type} onAsk={composing.ask}
          />
        </div>
      )}
      <p class="unseen" role="status">{inShort(asked)}</p>
      <div ref={results} class="results">
        {asked.state === "asking" && <Asking since={asked.since} onStop={stop} />}
        {asked.state === "failed" && <NotAnswered error={asked.error} onAgain={() => ask(asked.question)} />}
        {asked.state === "answered" && asked.answer.poses.length === 0 && <NotFound question={asked.question} answer={asked.answer} />}
        {asked.state === "answered" && asked.answer.poses.length > 0 && (
          <Answer
            question={asked.question} answer={asked.answer} geometry={geometry}
            display={display} onDisplay={(change) => setDisplay((before) => ({ ...before, ...change }))}
          />
        )}
      </div>
      {asked.state !== "none" && asked.state !== "asking" && (
        <div class="codes">
          <Code title="The same with curl" text={curlLines(asked.question, id)} />
          <Code title="The same in Python" text={pythonLines(asked.question, id)} />
        </div>
      )}
    </section>
  );
}

/** For those who listen. What failed is said by itself. */
function inShort(asked: Asked): string {
  if (asked.state === "asking") return "Looking for the object";
  if (asked.state !== "answered") return "";
  const [best, ...others] = asked.answer.poses;
  return best ? `Found${others.length ? ` ${others.length + 1}, the surest` : ""} with a score of ${best.score.toFixed(2)}` : "Not found";
}

/** Photos that the networks were not trained on, by name and file. */
function examples({ accuracy }: Documents, artifacts: Artifact[]): { photo: string; file: string }[] {
  const names = [...new Set((accuracy?.trials ?? []).map((trial) => trial.photo))];
  return names.slice(0, 8).flatMap((photo) => {
    const kept = artifacts.find((one) => one.name.startsWith(`capture/photos/${photo}.`));
    return kept ? [{ photo, file: kept.name }] : [];
  });
}
