// Every object, newest first.

import { api } from "../api";
import { useAsked } from "../parts/asking";
import { EmptyState, Failure, Loading } from "../parts/states";

export function ObjectsPage() {
  const { value: objects, error, again } = useAsked(api.objects, [], 5000);
  if (!objects) return error ? <Failure error={error} action={{ label: "Try again", onClick: again }} /> : <Loading what="Looking …" />;
  if (objects.length === 0)
    return <EmptyState title="No objects yet" advice="Photos of one are all it takes." action={{ label: "New object", href: "#/new" }} />;
  return (
    <ul class="cards">
      {objects.map((one) => (
        <li key={one.id}>
          <a class="card" href={`#/objects/${one.id}`}>
            {one.name} <small>{one.state}</small>
          </a>
        </li>
      ))}
    </ul>
  );
}
