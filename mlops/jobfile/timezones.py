"""The time zones that an Azure ML schedule may name: those of Windows, which are not those of IANA.

Source: learn.microsoft.com, "CLI (v2) schedule YAML schema", appendix.
"""

from __future__ import annotations

_STANDARD = """
Dateline, Aleutian, Hawaiian, Marquesas, Alaskan, Pacific, US Mountain, Mountain, Central America, Central,
Easter Island, Canada Central, SA Pacific, Eastern, Haiti, Cuba, US Eastern, Paraguay, Atlantic, Venezuela,
Central Brazilian, SA Western, Pacific SA, Turks And Caicos, Newfoundland, Tocantins, E. South America, SA
Eastern, Argentina, Greenland, Montevideo, Saint Pierre, Bahia, Mid-Atlantic, Azores, Cape Verde, Morocco, GMT,
Greenwich, W. Europe, Central Europe, Romance, Central European, W. Central Africa, Namibia, Jordan, GTB, Middle
East, Egypt, E. Europe, Syria, West Bank, South Africa, FLE, Turkey, Israel, Kaliningrad, Libya, Arabic, Arab,
Belarus, Russian, E. Africa, Iran, Arabian, Astrakhan, Azerbaijan, Mauritius, Georgian, Caucasus, Afghanistan,
West Asia, Ekaterinburg, Pakistan, India, Sri Lanka, Nepal, Central Asia, Bangladesh, N. Central Asia, Myanmar,
SE Asia, Altai, W. Mongolia, North Asia, Tomsk, China, North Asia East, Singapore, W. Australia, Taipei,
Ulaanbaatar, North Korea, Aus Central W., Transbaikal, Tokyo, Korea, Yakutsk, Cen. Australia, AUS Central, E.
Australia, AUS Eastern, West Pacific, Tasmania, Vladivostok, Lord Howe, Bougainville, Magadan, Norfolk,
Sakhalin, Central Pacific, New Zealand, Fiji, Kamchatka, Chatham Islands, Tonga, Samoa, Line Islands
"""
_OTHERS = """
UTC-11, UTC-09, Pacific Standard Time (Mexico), UTC-08, Mountain Standard Time (Mexico), Central Standard Time
(Mexico), Eastern Standard Time (Mexico), UTC-02, UTC, Russia Time Zone 3, Russia Time Zone 10, Russia Time Zone
11, UTC+12
"""
TIME_ZONES = (
    *(f"{' '.join(name.split())} Standard Time" for name in _STANDARD.split(",")),
    *(" ".join(name.split()) for name in _OTHERS.split(",")),
)
