// What each part of the watch tab is given.

import type { Job, ObjectRow } from "../schema";

export interface PartProps {
  object: ObjectRow;
  job: Job;
  /** The object's files so far: name -> bytes. */
  files: Map<string, number>;
}
