// What a BI tool does through JDBC, one line "name<TAB>value" for each thing that it finds.
// usage: java -cp 'jars/*' BiClient.java HOST PORT DATABASE USER, with the password in the variable PASSWORD

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

public class BiClient {
    static final String REPORT = "SELECT period_start, campaign, deals, revenue, average_deal, unconverted"
            + " FROM report_campaign_revenue_year WHERE model = ? AND campaign_id = ? ORDER BY period_start";

    public static void main(String[] arguments) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", arguments[3]);
        properties.setProperty("password", System.getenv("PASSWORD"));
        String url = "jdbc:clickhouse://" + arguments[0] + ":" + arguments[1] + "/" + arguments[2];
        try (Connection connection = DriverManager.getConnection(url, properties)) {
            say("valid", connection.isValid(10));
            views(connection, arguments[2]);
            columns(connection, arguments[2]);
            report(connection);
            try (PreparedStatement statement = connection.prepareStatement(
                    "SELECT sum(calls) AS calls, count(DISTINCT period_start) AS periods FROM report_calls_by(grain = ?)")) {
                statement.setString(1, "month");
                try (ResultSet found = statement.executeQuery()) {
                    found.next();
                    say("by", found.getLong("calls") + " " + found.getLong("periods"));
                }
            }
            failing(connection, "unknown", "SELECT * FROM report_sales");
            failing(connection, "grain", "SELECT * FROM report_calls_by(grain = 'decade')");
            failing(connection, "write", "INSERT INTO reps (rep_id) VALUES ('x')");
        }
        // as `sixfold up` prints it
        String printed = "jdbc:clickhouse:http://" + arguments[0] + ":" + arguments[1] + "/" + arguments[2]
                + "?user=" + arguments[3] + "&password=" + System.getenv("PASSWORD");
        try (Connection connection = DriverManager.getConnection(printed)) {
            say("printed", connection.isValid(10));
        }
        properties.setProperty("password", "wrong");
        try (Connection connection = DriverManager.getConnection(url, properties)) {
            failing(connection, "password", "SELECT 1");
        } catch (SQLException error) {
            say("password", error.getErrorCode() + " " + error.getMessage());
        }
    }

    static void views(Connection connection, String database) throws SQLException {
        List<String> names = new ArrayList<>();
        try (ResultSet found = connection.getMetaData().getTables(null, database, "report\\_%", new String[] {"VIEW"})) {
            while (found.next()) {
                names.add(found.getString("TABLE_NAME"));
            }
        }
        say("views", String.join(" ", names));
    }

    static void columns(Connection connection, String database) throws SQLException {
        List<String> columns = new ArrayList<>();
        try (ResultSet found = connection.getMetaData().getColumns(null, database, "report_campaign_revenue", "%")) {
            while (found.next()) {
                columns.add(found.getString("COLUMN_NAME") + ":" + found.getString("TYPE_NAME"));
            }
        }
        say("columns", String.join(" ", columns));
    }

    static void report(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(REPORT)) {
            statement.setString(1, "first");
            statement.setString(2, "o'neil\\sons");
            try (ResultSet found = statement.executeQuery()) {
                ResultSetMetaData shape = found.getMetaData();
                List<String> types = new ArrayList<>();
                for (int i = 1; i <= shape.getColumnCount(); i++) {
                    types.add(shape.getColumnClassName(i).replaceAll(".*\\.", ""));
                }
                say("types", String.join(" ", types));
                while (found.next()) {
                    say("report", found.getDate(1) + "|" + found.getString(2) + "|" + found.getBigDecimal(3) + "|"
                            + found.getBigDecimal(4) + "|" + found.getDouble(5) + "|" + found.getLong(6));
                }
            }
        }
    }

    static void failing(Connection connection, String name, String sql) {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
            say(name, "no error");
        } catch (SQLException error) {
            say(name, error.getErrorCode() + " " + error.getMessage());
        }
    }

    static void say(String name, Object value) {
        System.out.println(name + "\t" + String.valueOf(value).replace("\n", " ").replace("\t", " "));
    }
}
