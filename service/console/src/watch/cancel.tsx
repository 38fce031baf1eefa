// Canceling, asked once more.

import { useRef, useState } from "preact/hooks";
import { api } from "../api";
import { Failure } from "../parts/states";
import type { Job } from "../schema";

export function CancelButton({ job, onJob }: { job: Job; onJob: (job: Job) => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [refused, setRefused] = useState<unknown>();
  const cancel = () => {
    dialog.current!.close();
    api.cancel(job.id).then(onJob, setRefused);
  };
  return (
    <>
      <button type="button" class="quiet" onClick={() => dialog.current!.showModal()} data-testid="cancel">Cancel …</button>
      {refused !== undefined && <Failure error={refused} />}
      <dialog ref={dialog} class="asked" aria-labelledby="cancel-title" data-testid="cancel-dialog">
        <h2 id="cancel-title">Cancel this run?</h2>
        <p>Stages that are finished are kept: it can be resumed after them. What the current stage has done so far is lost.</p>
        <div class="row">
          <button type="button" onClick={cancel} data-testid="cancel-confirm">Cancel the run</button>
          <button type="button" class="quiet" autofocus onClick={() => dialog.current!.close()}>Let it go on</button>
        </div>
      </dialog>
    </>
  );
}
