-- Which campaign a name means. Join on key = lower-cased, trimmed campaign id of a record; of the candidates the one
-- with exactly that id goes first, else the first:
-- `arraySort(c -> (c.campaign_id != given, c.campaign_id), candidates)[1]`, whose id is empty where nothing fits.
--
-- key: lower-cased and trimmed alias, id or name
-- candidates: campaigns of that key by id: campaign_id, campaign, campaign_group, campaign_channel
SELECT
    key,
    arraySort(groupArray(CAST(
        (campaign_id, campaign, campaign_group, campaign_channel)
        AS Tuple(campaign_id String, campaign String, campaign_group String, campaign_channel String)))) AS candidates
FROM base_campaigns
ARRAY JOIN aliases AS key
GROUP BY key
