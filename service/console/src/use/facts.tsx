// What is known about an object, and how well.

import type { ComponentChildren } from "preact";
import type { Documents, Report } from "./documents";
import { finePercent, isMetric, length, lengths } from "./lengths";
import { symmetryInWords } from "./symmetry";

const SOURCES: Record<string, string> = {
  board: "from the printed board",
  tags: "from tags of a known size",
  depth: "from depth images",
  known_length: "from a length that was given",
};

export function Facts({ id, documents: { report, accuracy } }: { id: string; documents: Documents }) {
  const metric = isMetric(report?.scale ?? null);
  const extents = report?.quality.surface?.extents_m;
  const { psnr, psnr_exposed, iou } = report?.heldout ?? {};
  return (
    <dl class="facts" data-testid="facts">
      {extents && (
        <Fact name="Size">
          <strong>{lengths(extents, metric)}</strong>
          <small>along its x, y and z axes{accuracy && `; ${length(accuracy.diameter, metric)} between its farthest points`}</small>
          {!metric && <small>In units of the mesh: nothing told how large it is.</small>}
        </Fact>
      )}
      <Fact name="Scale">{report && <Scale report={report} id={id} longest={Math.max(...(extents ?? [0]))} />}</Fact>
      {accuracy && <Fact name="Symmetry"><Symmetry accuracy={accuracy} /></Fact>}
      {report?.coverage.photos && (
        <Fact name="Photos">
          {report.coverage.photos.used} used{report.coverage.photos.left_out > 0 && `, ${report.coverage.photos.left_out} left out`}
        </Fact>
      )}
      {psnr !== undefined && iou !== undefined && (
        <Fact name="Surface">
          {psnr.toFixed(1)} dB PSNR, {iou.toFixed(3)} silhouette IoU
          <small>in photos that it was not made from{psnr_exposed !== undefined && `; ${psnr_exposed.toFixed(1)} dB at matched exposure`}</small>
        </Fact>
      )}
      {report && <Fact name="Made with">
        snap6d {report.versions.snap6d}
        <details>
          <summary>All versions</summary>
          <small>{Object.entries(report.versions).map(([name, version]) => `${name} ${version}`).join(", ")}</small>
        </details>
      </Fact>}
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Scale({ report, id, longest }: { report: Report; id: string; longest: number }) {
  const { source, rel_std } = report.scale;
  if (!isMetric(report.scale))
    return (
      <>
        Unknown
        <small>
          Poses come in units of the mesh too. For millimetres, give a tag, a board, depth or a known length and run it again from the stage
          “scale”: <a href={`#/objects/${id}/watch`}>Watch</a> has that.
        </small>
      </>
    );
  return (
    <>
      {SOURCES[source ?? ""] ?? source}
      {typeof rel_std === "number" ? (
        <small>
          ± {finePercent(rel_std)} (one standard deviation){longest > 0 && `, ${Number((1000 * longest * rel_std).toPrecision(1))} mm on its longest side`}
        </small>
      ) : (
        <small>As exact as that was measured.</small>
      )}
    </>
  );
}

function Symmetry({ accuracy }: { accuracy: NonNullable<Documents["accuracy"]> }) {
  const [exact, shape] = [symmetryInWords(accuracy.symmetry), symmetryInWords(accuracy.symmetry_of_shape)];
  if (exact) return <>Looks the same after {exact}<small>Of poses that look the same, always the same one is answered.</small></>;
  return shape ? <>None<small>Its shape looks the same after {shape}; its colours tell these apart.</small></> : <>None found</>;
}

