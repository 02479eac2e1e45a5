-- Events and people of each feature.
SELECT <<counts>> FROM daily
