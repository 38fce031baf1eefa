// Every object, newest first.

import { useState } from "preact/hooks";
import { api } from "../api";
import { ObjectCard } from "../onboard/card";
import { DeleteDialog, RenameDialog } from "../onboard/dialogs";
import { useAsked } from "../parts/asking";
import { EmptyState, Failure, Loading } from "../parts/states";
import type { ObjectRow } from "../schema";

const PAGE = 60;
const MOST = 500; // as many as the API lists at once

export function ObjectsPage() {
  const [limit, setLimit] = useState(PAGE);
  const [renamed, setRenamed] = useState<ObjectRow>();
  const [deleted, setDeleted] = useState<ObjectRow>();
  const { value: objects, error, again } = useAsked(() => api.objects(limit), [limit], 5000);
  if (!objects) return error ? <Failure error={error} action={{ label: "Try again", onClick: again }} /> : <Loading what="Looking …" />;
  if (objects.length === 0)
    return (
      <EmptyState
        title="No objects yet"
        advice="Walk around one with a phone: 60 photos are all it takes. A short video will do too."
        action={{ label: "New object", href: "#/new" }}
      />
    );
  const done = () => {
    setRenamed(undefined);
    setDeleted(undefined);
    again();
  };
  return (
    <>
      <div class="row head">
        <h1>Objects</h1>
        <a class="button" href="#/new">New object</a>
      </div>
      {error !== undefined && <p class="refusal waiting" role="status">The service does not answer. This is what it said last.</p>}
      <ul class="cards" data-testid="objects">
        {objects.map((one) => (
          <ObjectCard key={one.id} object={one} onRename={() => setRenamed(one)} onDelete={() => setDeleted(one)} />
        ))}
      </ul>
      {objects.length === limit && limit < MOST && <button type="button" class="quiet" onClick={() => setLimit(Math.min(limit + PAGE, MOST))}>Show older ones</button>}
      {renamed && <RenameDialog object={renamed} onEnd={done} />}
      {deleted && <DeleteDialog object={deleted} onEnd={done} />}
    </>
  );
}
