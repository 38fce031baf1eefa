// A question that is being asked, that found nothing, or that was not answered.

import { useEffect, useState } from "preact/hooks";
import { Problem } from "../api";
import type { Estimate } from "../schema";
import { timeInWords } from "./numbers";
import type { Question } from "./question";

export function Asking({ since, onStop }: { since: number; onStop: () => void }) {
  const seconds = Math.round(useSeconds(since));
  return (
    <div class="notice" data-testid="asking">
      <progress aria-label="Looking for the object" />
      <p>Looking … {seconds > 1 && `${seconds} s`}{seconds > 8 && ". The first question about an object loads it, which takes longer."}</p>
      <button type="button" class="quiet" onClick={onStop}>Stop</button>
    </div>
  );
}

export function NotFound({ question, answer }: { question: Question; answer: Estimate }) {
  return (
    <div class="notice" data-testid="not-found">
      <h3>Not found</h3>
      <p>No pose in this image is sure enough to be answered. What mostly helps:</p>
      <ul>
        {answer.K_source !== "given" && <li>Give fx, fy, cx, cy: {answer.K_source === "guessed" ? "they were guessed, which halves" : "the focal length from EXIF lowers"} every score.</li>}
        {answer.networks === "early" && <li>Wait for the end of the training: the first networks are sure of less.</li>}
        {!question.box && <li>Draw a box around the object: it is looked at more closely there.</li>}
        {question.box && <li>Draw the box a little larger, or leave it out.</li>}
        <li>Go nearer, so that the object is 100 pixels large or more, sharp, and mostly in view.</li>
        <li>Take the image from a side that the onboarding photos show.</li>
      </ul>
      <p class="faint">{timeInWords(answer)}</p>
    </div>
  );
}

const PASSING = [0, 408, 429, 503, 504, 507];

/** Says what failed as the service says it, and where waiting may help, for how long. */
export function NotAnswered({ error, onAgain }: { error: unknown; onAgain: () => void }) {
  const [since] = useState(Date.now);
  const waited = useSeconds(since);
  const problem = error instanceof Problem ? error : null;
  const left = Math.ceil((problem?.retryAfterS ?? 0) - waited);
  return (
    <div class="notice" role="alert" data-testid="ask-failed">
      <h3>{problem?.what ?? String((error as Error)?.message ?? error)}</h3>
      {problem?.tryNext && <p>{problem.tryNext}</p>}
      {problem && PASSING.includes(problem.status) && (
        <p>
          <button type="button" data-testid="ask-again" onClick={onAgain}>Ask again</button>{" "}
          {left > 0 ? <span class="faint">Best in {left} s.</span> : <span class="faint">It may pass by itself; nothing that you gave is lost.</span>}
        </p>
      )}
    </div>
  );
}

/** Seconds since then, by the second. */
function useSeconds(since: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  return (now - since) / 1000;
}
