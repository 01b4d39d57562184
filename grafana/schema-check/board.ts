// What a dashboard's file may hold: Grafana's types, tightened where they take anything.
import type { AnnotationQuery, Dashboard, DataQuery, FieldConfig, Panel, RowPanel, VariableModel } from "@grafana/schema";
import type * as bargauge from "panel/bargauge";
import type * as heatmap from "panel/heatmap";
import type * as stat from "panel/stat";
import type * as statetimeline from "panel/statetimeline";
import type * as table from "panel/table";
import type * as timeseries from "panel/timeseries";

// As JSON writes it: an enum's member is its text, and what is absent is absent or null.
type Written<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends (infer U)[]
      ? Written<U>[]
      : T extends object
        ? { [K in keyof T]: Written<T[K]> }
        : T;

type Kind<Name, Options, Custom> = Written<Omit<Panel, "type" | "options" | "fieldConfig" | "targets">> & {
  type: Name;
  options: Written<Options>;
  fieldConfig: {
    defaults: Written<Omit<FieldConfig, "custom" | "thresholds">> & { custom?: Written<Custom>; thresholds?: Thresholds };
    overrides: { matcher: { id: "byName"; options: string }; properties: { id: string; value?: unknown }[] }[];
  };
  targets: Target[];
};

// Prometheus' part of a query, which the package does not have.
type Target = Written<DataQuery> & {
  expr: string;
  legendFormat: string;
  instant: boolean;
  range: boolean;
  format?: "time_series" | "table" | "heatmap";
};

// The first step begins at minus infinity, which JSON writes as null and the types call a number.
type Thresholds = { mode: "absolute" | "percentage"; steps: { value: number | null; color: string }[] };

// The library writes a table's footer, which is off; Grafana 13 has it elsewhere and passes this one over.
type Footer = { footer?: { show: false; countRows: false; reducer: [] } };

type AnyPanel =
  | Kind<"timeseries", timeseries.Options, timeseries.FieldConfig>
  | Kind<"stat", stat.Options, {}>
  | Kind<"bargauge", bargauge.Options, {}>
  | Kind<"table", table.Options & Footer, table.FieldConfig>
  | Kind<"heatmap", heatmap.Options, heatmap.FieldConfig>
  | Kind<"state-timeline", statetimeline.Options, statetimeline.FieldConfig>;

type Row = Written<Omit<RowPanel, "panels">> & { panels: AnyPanel[] };

// Prometheus' annotations have words of their own, which are in no type.
type Mark = Written<AnnotationQuery> & { expr: string; titleFormat: string; textFormat: string; step: string };

// The library writes these of every variable; they are an interval's.
type Variable = Written<VariableModel> & { auto: false; auto_count: number; auto_min: string };

export type Board = Written<Omit<Dashboard, "panels" | "annotations" | "templating">> & {
  panels: (AnyPanel | Row)[];
  annotations: { list: Mark[] };
  templating: { list: Variable[] };
};
