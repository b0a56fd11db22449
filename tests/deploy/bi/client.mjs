// What a Node program does through @clickhouse/client; prints what it finds as one JSON object.
// usage: node client.mjs HOST PORT DATABASE USER, with the password in the variable PASSWORD

import { ClickHouseLogLevel, createClient } from "@clickhouse/client";

const [host, port, database, username] = process.argv.slice(2);
const open = (password) =>
  createClient({ url: `http://${host}:${port}`, database, username, password, log: { level: ClickHouseLogLevel.OFF } });
const client = open(process.env.PASSWORD);

const rows = async (query, query_params = {}) =>
  (await client.query({ query, query_params, format: "JSONEachRow" })).json();

const failing = async (of, query) => {
  try {
    await (await of.query({ query, format: "JSONEachRow" })).json();
    return "no error";
  } catch (error) {
    return `${error.code} ${error.type} ${error.message}`;
  }
};

const found = { ping: (await client.ping()).success };
found.views = (
  await rows("SELECT name FROM system.tables WHERE database = {database:String} AND name LIKE 'report_%' ORDER BY name", {
    database,
  })
).map((row) => row.name);
const report = await (
  await client.query({
    query: `SELECT period_start, campaign, deals, revenue, average_deal, unconverted FROM report_campaign_revenue_year
      WHERE model = {model:String} AND campaign_id = {campaign:String} ORDER BY period_start`,
    query_params: { model: "first", campaign: "o'neil\\sons" },
    format: "JSON",
    // a Decimal as a JSON number would become a float
    clickhouse_settings: { output_format_json_quote_decimals: 1 },
  })
).json();
found.types = report.meta.map((column) => column.type);
found.report = report.data;
found.by = await rows(
  "SELECT sum(calls) AS calls, count(DISTINCT period_start) AS periods FROM report_calls_by(grain = {grain:String})",
  { grain: "month" },
);
found.streamed = 0;
const stream = (await client.query({ query: "SELECT lead_id FROM fact_leads", format: "JSONEachRow" })).stream();
for await (const part of stream) found.streamed += part.length;
found.unknown = await failing(client, "SELECT * FROM report_sales");
found.grain = await failing(client, "SELECT * FROM report_calls_by(grain = 'decade')");
found.write = await client
  .insert({ table: "reps", values: [{ rep_id: "x" }], format: "JSONEachRow" })
  .then(() => "no error")
  .catch((error) => `${error.code} ${error.type} ${error.message}`);
await client.close();
const stranger = open("wrong");
found.password = await failing(stranger, "SELECT 1");
await stranger.close();
console.log(JSON.stringify(found));
