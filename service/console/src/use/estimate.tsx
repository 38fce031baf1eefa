// An image in, the object's poses out.

import type { BufferGeometry } from "three";
import { useEffect, useRef, useState } from "preact/hooks";
import { artifact } from "../api";
import type { Artifact, ObjectRow } from "../schema";
import { Code } from "../parts/copying";
import { Answer } from "./answer";
import { useAskedPoses } from "./asking_poses";
import { BoxDrawing } from "./box_drawing";
import type { Documents } from "./documents";
import { Asking, NotAnswered, NotFound } from "./no_answer";
import { ImageChoice } from "./image_choice";
import { NOTHING_TYPED, openPicture, type Picture, readQuestion, type Typed } from "./question";
import { QuestionForm, typedLens } from "./question_form";
import { rememberCamera, rememberedCamera } from "./remembered";
import { curlLines, pythonLines } from "./snippets";

interface Given {
  object: ObjectRow;
  documents: Documents;
  artifacts: Artifact[];
  geometry: BufferGeometry | null;
}

export function EstimateSection({ object, documents, artifacts, geometry }: Given) {
  const [picture, setPicture] = useState<Picture | null>(null);
  const [depth, setDepth] = useState<File | null>(null);
  const [typed, setTyped] = useState<Typed>(NOTHING_TYPED);
  const [problem, setProblem] = useState("");
  const { asked, ask, stop } = useAskedPoses(object.id);
  const results = useRef<HTMLDivElement>(null);
  const type = (change: Partial<Typed>) => setTyped((before) => ({ ...before, ...change }));

  const take = (chosen: Picture, camera: Partial<Typed> | null, withDepth: File | null = null) => {
    stop();
    setPicture(chosen);
    setDepth(withDepth);
    const next = { ...typed, ...(camera ?? { k: NOTHING_TYPED.k, lens: "" }), box: "" };
    setTyped(next);
    setProblem("");
    return next;
  };
  const question = (chosen: Picture, withDepth: File | null, fields: Typed) => {
    const read = readQuestion(chosen, withDepth, fields);
    setProblem(typeof read === "string" ? read : "");
    if (typeof read === "string") return;
    if (read.K && chosen.bitmap) rememberCamera(chosen.bitmap.width, chosen.bitmap.height, fields);
    ask(read);
  };
  const chooseFile = async (file: File, withDepth: File | null) => {
    const chosen = await openPicture(file, file.name);
    take(chosen, chosen.bitmap && rememberedCamera(chosen.bitmap.width, chosen.bitmap.height), withDepth);
  };
  const chooseExample = async (photo: string, name: string) => {
    try {
      const chosen = await openPicture(await (await artifact(object.id, name)).blob(), name.split("/").pop()!, name);
      const lens = documents.lenses?.[photo];
      question(chosen, null, take(chosen, lens ? typedLens(lens) : null));
    } catch (error) {
      setProblem(String((error as Error).message));
    }
  };
  useEffect(() => {
    if (asked.state === "answered") results.current?.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }, [asked]);

  return (
    <section class="card estimate" aria-labelledby="estimate">
      <h2 id="estimate">Find it in an image</h2>
      <ImageChoice object={object} picture={picture} depth={depth} examples={examples(documents, artifacts)} onFile={chooseFile} onDepth={setDepth} onExample={chooseExample} />
      {!picture && problem && <p class="problem" role="alert">{problem}</p>}
      {picture && (
        <div class="asking">
          {picture.bitmap ? (
            <BoxDrawing bitmap={picture.bitmap} name={picture.name} box={typed.box} onBox={(box) => type({ box })} />
          ) : (
            <p class="faint">This browser can't show {picture.name}. The service may read it all the same: ask, and the mesh is drawn without the photo.</p>
          )}
          <QuestionForm
            picture={picture} depth={depth} typed={typed} lens={Object.values(documents.lenses ?? {})[0] ?? null} problem={problem}
            busy={asked.state === "asking"} onType={type} onAsk={() => question(picture, depth, typed)}
          />
        </div>
      )}
      <div ref={results} class="results" aria-live="polite">
        {asked.state === "asking" && <Asking since={asked.since} onStop={stop} />}
        {asked.state === "failed" && <NotAnswered error={asked.error} onAgain={() => ask(asked.question)} />}
        {asked.state === "answered" && asked.answer.poses.length === 0 && <NotFound question={asked.question} answer={asked.answer} />}
        {asked.state === "answered" && asked.answer.poses.length > 0 && (
          <div data-testid="answer">
            <Answer key={asked.answer.timing_ms.total} question={asked.question} answer={asked.answer} geometry={geometry} />
          </div>
        )}
      </div>
      {asked.state !== "none" && asked.state !== "asking" && (
        <div class="codes">
          <Code title="The same with curl" text={curlLines(asked.question, object.id)} />
          <Code title="The same in Python" text={pythonLines(asked.question, object.id)} />
        </div>
      )}
    </section>
  );
}

/** Photos that the networks were not trained on, by name and file. */
function examples({ accuracy }: Documents, artifacts: Artifact[]): { photo: string; file: string }[] {
  const names = [...new Set((accuracy?.trials ?? []).map((trial) => trial.photo))];
  return names.slice(0, 8).flatMap((photo) => {
    const kept = artifacts.find((one) => one.name.startsWith(`capture/photos/${photo}.`));
    return kept ? [{ photo, file: kept.name }] : [];
  });
}
