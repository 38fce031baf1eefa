// The last question, kept by the browser, so that a reload loses neither image nor numbers.

import type { Typed } from "./question";

export interface KeptPicture {
  objectId: string;
  blob: Blob;
  name: string;
  artifact: string | null;
  depth: File | null;
}

interface KeptTyped {
  objectId: string;
  typed: Typed;
}

const STORE = "question";

export const keepPicture = (picture: KeptPicture) => write("picture", picture);
export const keepTyped = (typed: KeptTyped) => write("typed", typed);

/** Null where the last question was about another object. */
export async function keptQuestion(objectId: string): Promise<{ picture: KeptPicture; typed: Typed | null } | null> {
  const [picture, typed] = await Promise.all([read<KeptPicture>("picture"), read<KeptTyped>("typed")]);
  return picture?.objectId === objectId ? { picture, typed: typed?.objectId === objectId ? typed.typed : null } : null;
}

/** Where nothing can be kept (a private window), a reload loses it: no more than that. */
async function write(key: string, value: unknown): Promise<void> {
  await inStore("readwrite", (store) => store.put(value, key)).catch(() => undefined);
}

async function read<T>(key: string): Promise<T | undefined> {
  return inStore<T>("readonly", (store) => store.get(key)).catch(() => undefined);
}

async function inStore<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open("snap6d.use", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await done(opening);
  try {
    return await done(act(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
