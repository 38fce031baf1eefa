// An object's JSON files, read again when they have changed.

import { useEffect, useState } from "preact/hooks";
import { artifact } from "../api";

/** undefined while it is read, null where there is none. `version`: its size, undefined where it is not there. */
export function useDocument<T>(objectId: string, name: string, version: number | undefined): T | null | undefined {
  const [found, setFound] = useState<{ of: string; value: T | null }>();
  const of = `${objectId} ${name}`;
  useEffect(() => {
    if (version === undefined) return;
    let current = true;
    artifact(objectId, name)
      .then((answer) => answer.json() as Promise<T>)
      .then(
        (value) => current && setFound({ of, value }),
        () => current && setFound((before) => (before?.of === of ? before : { of, value: null })),
      );
    return () => {
      current = false;
    };
  }, [of, version]);
  if (version === undefined) return null;
  return found?.of === of ? found.value : undefined;
}
